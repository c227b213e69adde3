"""What LangChain's callbacks, and so LangSmith, Langfuse, MLflow and OpenInference, are told of every model call."""

import asyncio

import httpx
import pytest
from every_graph import EVERY_GRAPH, models
from fakes import RecordedCalls, ScriptedModel, critique_text, solution
from langchain_core.messages import HumanMessage

from critique_graph.calls.caller import Caller, CallKey
from critique_graph.graphs.actor_critic import create_actor_critic

QUESTION = {"question": "3 + 4?", "reference": "7", "id": "p1"}


def test_every_call_of_the_loop_has_a_name_of_its_own():
    actor = ScriptedModel(replies=[solution(8), solution(9), solution(7), solution(7)])
    critic = ScriptedModel(answer=lambda messages: critique_text("Wrong"))
    recorded = RecordedCalls()

    create_actor_critic(actor, critic, samples=2).compile().invoke(QUESTION, {"callbacks": [recorded]})

    assert recorded.names == [
        "actor, chain 0, round 0",
        "actor, chain 1, round 0",
        "critic, chain 0, round 1",
        "critic, chain 1, round 1",
        "actor, chain 0, round 1",
        "actor, chain 1, round 1",
    ]
    assert recorded.label("role") == ["actor", "actor", "critic", "critic", "actor", "actor"]
    assert recorded.label("chain") == [0, 1, 0, 1, 0, 1]
    assert recorded.label("round") == [0, 0, 1, 1, 1, 1]
    assert set(recorded.label("problem")) == {"p1"}


@pytest.mark.parametrize("create", EVERY_GRAPH.values(), ids=EVERY_GRAPH)
def test_every_graph_labels_every_call(create):
    actor, critic = models()
    recorded = RecordedCalls()

    create(actor, critic).compile().invoke(QUESTION, {"callbacks": [recorded]})

    assert len(recorded.names) == len(actor.prompts) + len(critic.prompts) > 0
    for name in ("role", "problem", "chain", "round", "attempt", "prompt_hash"):
        assert None not in recorded.label(name), name


def test_calls_with_the_same_prompt_share_its_hash_and_others_do_not():
    actor = ScriptedModel(replies=[solution(7), solution(8)])
    critic = ScriptedModel(answer=lambda messages: critique_text("Correct"))
    recorded = RecordedCalls()

    create_actor_critic(actor, critic, samples=2).compile().invoke(QUESTION, {"callbacks": [recorded]})

    solved, solved_again, judged, judged_again = recorded.label("prompt_hash")
    assert solved == solved_again
    assert len({solved, judged, judged_again}) == 3


def test_tags_and_metadata_of_the_application_and_of_the_graph_stay():
    actor, critic = models()
    recorded = RecordedCalls()
    config = {"callbacks": [recorded], "tags": ["mine"], "metadata": {"user": "ann"}}

    create_actor_critic(actor, critic).compile().invoke(QUESTION, config)

    assert {"mine", "critique_graph", "actor"} <= set(recorded.tags[0])
    assert {"mine", "critique_graph", "critic"} <= set(recorded.tags[1])
    assert [(told["user"], told["langgraph_node"]) for told in recorded.metadata] == [
        ("ann", "solve"),
        ("ann", "critique"),
    ]


def test_labels_that_were_given_to_a_model_stay():
    actor, critic = models()
    recorded = RecordedCalls()
    named = actor.with_config(run_name="my actor", metadata={"team": "a"})

    create_actor_critic(named, critic).compile().invoke(QUESTION, {"callbacks": [recorded]})

    assert recorded.names == ["my actor", "critic, chain 0, round 1"]
    assert recorded.metadata[0]["team"] == "a"
    assert recorded.label("role") == ["actor", "critic"]


def test_attempts_of_a_call_are_told_apart():
    model, recorded = ScriptedModel(replies=[httpx.ReadTimeout("slow"), "4"]), RecordedCalls()
    bound = model.with_config(callbacks=[recorded])
    caller = Caller(model, "actor", 0.5, 9, seed=3, bound=bound, sleep=lambda seconds: asyncio.sleep(0))

    asyncio.run(caller([HumanMessage("2 + 2?")], CallKey("p", "actor", 0, 0)))

    assert recorded.label("attempt") == [1, 2]
    assert recorded.names == ["actor, chain 0, round 0"] * 2


async def test_streamed_tokens_say_whose_they_are():
    actor, critic = models()
    graph = create_actor_critic(actor, critic).compile()

    told = [told async for _, told in graph.astream(QUESTION, stream_mode="messages")]

    assert {
        (told["langgraph_node"], told["critique_graph_role"]) for told in told if "critique_graph_role" in told
    } == {
        ("solve", "actor"),
        ("critique", "critic"),
    }
