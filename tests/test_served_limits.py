"""What a caller of the served graphs may ask for: the operator's models, and bounded numbers of calls and tokens."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from critique_graph.core.errors import InputError
from critique_graph.served import Limits, served_graphs

ROOT = Path(__file__).parents[1]
QUESTION = {"question": "Ann has 12 apples. Ann buys 15 more. How many apples does Ann have?", "reference": "27"}
GRAPHS = ("actor_critic", "ask", "chat", "flawed_paths", "auto_critique", "self_talk")


def test_graphs_that_train_or_write_are_not_served():
    served = json.loads((ROOT / "langgraph.json").read_text())["graphs"]

    assert tuple(served_graphs(Limits())) == GRAPHS
    assert {name: given["path"] for name, given in served.items()} == {
        name: f"critique_graph.served:{name}" for name in GRAPHS
    }


@pytest.mark.parametrize(
    ("graph", "context", "message"),
    [
        ("actor_critic", {"samples": 17}, "samples\n  Input should be less than or equal to 16"),
        ("actor_critic", {"rounds": 9}, "rounds\n  Input should be less than or equal to 8"),
        ("actor_critic", {"max_tokens": 4097}, "max_tokens\n  Input should be less than or equal to 4096"),
        ("actor_critic", {"critic_max_tokens": 10**9}, "critic_max_tokens\n  Input should be less than"),
        ("actor_critic", {"critiques": 17}, "critiques\n  Input should be less than or equal to 16"),
        ("actor_critic", {"refine_best": 17}, "refine_best\n  Input should be less than or equal to 16"),
        ("actor_critic", {"samples": 0}, "samples\n  Input should be greater than or equal to 1"),
        ("actor_critic", {"critique_graph": {"samples": 99}}, "critique_graph\n  Extra inputs are not permitted"),
        ("flawed_paths", {"attempts": 64}, "attempts\n  Input should be less than or equal to 16"),
        ("flawed_paths", {"rollouts": 64}, "rollouts\n  Input should be less than or equal to 16"),
        ("auto_critique", {"refinements": 512}, "refinements\n  Input should be less than or equal to 16"),
        ("auto_critique", {"annotator_max_tokens": 9999}, "annotator_max_tokens\n  Input should be less than"),
        ("self_talk", {"repairs": 64}, "repairs\n  Input should be less than or equal to 8"),
        ("self_talk", {"smoother_max_tokens": 9999}, "smoother_max_tokens\n  Input should be less than"),
    ],
)
def test_caller_above_a_limit_is_refused_by_name(graph: str, context: dict[str, Any], message: str):
    with pytest.raises(ValidationError, match=message):
        served_graphs(Limits())[graph].invoke(QUESTION, context=context)


@pytest.mark.parametrize(
    "model",
    [
        "vllm:/any/path",
        "vllm:NAME?trust_remote_code=true",
        "hf:owner/name",
        "hf:/etc",
        "openai:gpt",
        "openai:http://169.254.169.254/v1",
        "anthropic:claude",
        "miniature:actor ",
        "miniature:../../weights",
        "exact",
    ],
)
@pytest.mark.parametrize("graph", GRAPHS)
def test_models_that_the_operator_does_not_allow_are_refused(graph: str, model: str):
    with pytest.raises(ValidationError, match="actor\n  Input should be 'miniature:actor'"):
        served_graphs(Limits())[graph].invoke(QUESTION, context={"actor": model})


@pytest.mark.parametrize(
    ("graph", "role"),
    [
        ("actor_critic", "critic"),
        ("auto_critique", "annotator"),
        ("flawed_paths", "corruptor"),
        ("self_talk", "smoother"),
    ],
)
def test_every_role_is_limited(graph: str, role: str):
    graphs = served_graphs(Limits(models=("miniature:actor", "openai:mine")))

    with pytest.raises(ValidationError, match=f"{role}\n  Input should be 'miniature:actor'"):
        graphs[graph].invoke(QUESTION, context={role: "hf:other"})
    allowed = graphs[graph].get_context_jsonschema()["properties"][role]["anyOf"][0]["enum"]
    assert allowed[:2] == ["miniature:actor", "openai:mine"]
    assert ("exact" in allowed) is (role in ("corruptor", "smoother"))


def test_limits_lower_the_defaults_too():
    for graph in served_graphs(Limits(samples=1, rounds=1, tokens=64)).values():
        properties = graph.get_context_jsonschema()["properties"]
        for name, field in properties.items():
            if name.endswith("max_tokens"):
                assert (field["default"], field["maximum"]) == (64, 64)
            if name in ("samples", "refinements", "attempts", "rollouts", "repairs", "rounds"):
                assert (field["default"], field["maximum"]) == (1, 1)


def test_answer_names_no_folder_of_the_machine():
    graph = served_graphs(Limits(samples=2, rounds=1, tokens=64))["actor_critic"]

    result = graph.invoke(QUESTION, context={"samples": 2, "critic": "miniature:critic"})

    calls = [chain["response"]["call"] for chain in result["chains"]]
    assert {call["model"].split("@")[0] for call in calls} == {"miniature:actor"}
    assert result["chains"][0]["rounds"][0]["call"]["model"].startswith("miniature:critic@")
    assert str(ROOT) not in json.dumps(result)


@pytest.mark.parametrize(
    ("environment", "limits"),
    [
        ({}, Limits()),
        ({"CRITIQUE_GRAPH_MAX_SAMPLES": "", "CRITIQUE_GRAPH_SERVED_MODELS": " "}, Limits()),
        ({"CRITIQUE_GRAPH_MAX_SAMPLES": "64"}, Limits(samples=64)),
        ({"CRITIQUE_GRAPH_MAX_ROUNDS": " 2 ", "CRITIQUE_GRAPH_MAX_TOKENS": "512"}, Limits(rounds=2, tokens=512)),
        (
            {"CRITIQUE_GRAPH_SERVED_MODELS": "openai:a  vllm:b?max_model_len=8192\nminiature:critic"},
            Limits(models=("openai:a", "vllm:b?max_model_len=8192", "miniature:critic")),
        ),
    ],
)
def test_operator_sets_limits_by_environment_variables(environment: dict[str, str], limits: Limits):
    assert Limits.of(environment) == limits


@pytest.mark.parametrize("text", ["0", "-1", "many", "1.5", "²"])
def test_limit_that_is_no_number_is_refused(text: str):
    with pytest.raises(InputError, match="CRITIQUE_GRAPH_MAX_ROUNDS must be a whole number of at least 1, got"):
        Limits.of({"CRITIQUE_GRAPH_MAX_ROUNDS": text})


def test_served_module_reads_the_environment():
    code = (
        "from critique_graph.served import actor_critic\n"
        "print(actor_critic.get_context_jsonschema()['properties']['samples']['maximum'])"
    )
    environment = {"CRITIQUE_GRAPH_MAX_SAMPLES": "3", "LANGSMITH_TRACING": "false"}

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ, **environment}
    )
    assert done.stdout == "3\n"
