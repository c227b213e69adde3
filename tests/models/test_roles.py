"""Roles with keys and options: what reaches the model, and what is refused before any call."""

import logging
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from fakes import ScriptedModel, solution
from hashed_model import HashedModel, addition_problems

from critique_graph import run_problems
from critique_graph.cli import run_command
from critique_graph.core.errors import InputError, RunError
from critique_graph.core.role_model import RoleModel
from critique_graph.core.secrets import redacted
from critique_graph.models.load import load_model
from critique_graph.models.roles import load_roles

PROBLEMS = addition_problems(2)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("JUDGE", "canary-of-the-judge")


def load(role: dict[str, Any]) -> Any:
    return load_roles({"critic": RoleModel(**role)})["critic"]


def test_options_and_key_reach_a_server() -> None:
    model = load({"model": "openai:x", "api_key_env": "JUDGE", "options": {"top_p": 0.9, "extra_body": {"top_k": 5}}})
    assert (model.top_p, model.extra_body) == (0.9, {"top_k": 5})
    assert model.openai_api_key.get_secret_value() == "canary-of-the-judge"
    assert redacted("it sent canary-of-the-judge") == "it sent ***"


def test_options_reach_a_model_in_this_process() -> None:
    model = load(
        {"model": "hf:some/model", "options": {"top_p": 0.9, "template_arguments": {"enable_thinking": False}}}
    )
    request = model._request([], None)
    assert (request.sampling.top_p, request.template_arguments) == (0.9, {"enable_thinking": False})


def test_equal_options_give_the_same_model() -> None:
    first, second = (load_model("hf:some/model", options={"top_p": 0.9}) for _ in range(2))
    assert first is second is not load_model("hf:some/model")


@pytest.mark.parametrize(
    ("role", "message"),
    [
        ({"model": "openai:x", "api_key_env": "UNSET"}, "variable UNSET, which api_key_env names, is not set"),
        ({"model": "hf:x", "api_key_env": "JUDGE"}, "api_key_env is for openai:NAME and PROVIDER:NAME"),
        ({"model": "hf:x", "base_url": "http://x/v1"}, "base_url is for openai:NAME, not for 'hf:x'"),
        ({"model": "hf:x", "options": {"top_k": 3}}, "there is no option top_k; there are stop, template_arguments, "),
        ({"model": "hf:x", "options": {"top_p": 3}}, "top_p: Input should be less than or equal to 1"),
        ({"model": "openai:x", "api_key_env": "JUDGE", "options": {"top_k": 3}}, "belongs in extra_body"),
        (
            {"model": "openai:x", "api_key_env": "JUDGE", "options": {"top_p": "much"}},
            "top_p: Input should be a valid ",
        ),
        ({"model": "openai:x", "options": {"seed": 3}}, "seed is no option of a role, since the run sets it"),
        ({"model": "openai:x", "options": {"extra_body": {"model": "y"}}}, "model is no option of a role"),
        ({"model": "miniature:annotator", "options": {"top_p": 0.9}}, "is no language model, and takes no options"),
        ({"model": "nobody"}, "Unknown model 'nobody'"),
    ],
)
def test_what_cannot_be_used_is_one_line_that_names_the_role(role: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=r"^critic: ") as caught:
        load(role)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "canary" not in str(caught.value)


def test_word_of_a_role_that_code_plays_takes_no_options() -> None:
    assert load_roles({"smoother": RoleModel(model="exact")}) == {"smoother": "exact"}
    with pytest.raises(InputError, match="smoother: Unknown model 'exact'"):
        load_roles({"smoother": RoleModel(model="exact", options={"top_p": 0.9})})


def test_provider_of_langchain_gets_key_and_options(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys
    from types import ModuleType

    given: dict[str, Any] = {}

    def init_chat_model(spec: str, **settings: Any) -> ScriptedModel:
        given.update(settings)
        if "unknown" in settings:
            raise TypeError(f"unexpected argument, of {settings}")
        return ScriptedModel(model=spec)

    module = ModuleType("langchain.chat_models")
    module.init_chat_model = init_chat_model  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "langchain", ModuleType("langchain"))
    monkeypatch.setitem(sys.modules, "langchain.chat_models", module)
    monkeypatch.setattr("critique_graph.models.load.find_spec", lambda name: object())
    load({"model": "provider:x", "api_key_env": "JUDGE", "options": {"top_p": 0.9}})
    assert given == {"max_retries": 0, "api_key": "canary-of-the-judge", "top_p": 0.9}
    with pytest.raises(InputError, match="critic: 'provider:x' is no model langchain can start") as caught:
        load({"model": "provider:x", "api_key_env": "JUDGE", "options": {"unknown": 1}})
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    "verb", ["run", "generate", "self-talk", "compare", "eval-critic", "check", "improve", "solve"]
)
def test_every_verb_reads_a_mapping_from_a_file(
    verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("critique_graph.improve.command.find_spec", lambda name: object())
    role = "annotator" if verb == "generate" else "critic"
    file = tmp_path / "settings.yaml"
    file.write_text(f"{role}: {{model: 'openai:x', api_key_env: UNSET}}\n")
    question = ["What is 2 + 3?"] if verb == "solve" else []
    out = [] if verb == "solve" else ["--out", str(tmp_path / "out")]
    assert run_command([verb, *question, "--config", str(file), *out]) == 2
    assert f"{role}: the environment variable UNSET, which api_key_env names, is not set." in " ".join(
        capsys.readouterr().err.split()
    )


def test_folder_records_the_variable_and_the_options_and_never_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "critique_graph.verbs.job.load_roles", lambda roles: {"actor": HashedModel(), "critic": HashedModel()}
    )
    critic = {"model": "openai:x", "api_key_env": "JUDGE", "options": {"top_p": 0.9}}
    out = tmp_path / "run"
    run_problems(PROBLEMS, actor="hf:x", critic=critic, out=out)
    assert yaml.safe_load((out / "run.yaml").read_text())["critic"] == critic
    assert orjson.loads((out / "manifest.json").read_bytes())["configuration"]["critic"] == critic
    assert orjson.loads((out / "traces.jsonl").read_text().splitlines()[0])["settings"]["critic"] == critic
    moved = {**critic, "api_key_env": "OTHER", "base_url": "http://127.0.0.1:8000/v1"}
    run_problems(PROBLEMS, actor="hf:x", critic=moved, out=out)
    with pytest.raises(RunError, match=r"critic was .*0.9.* is now 'openai:x'"):
        run_problems(PROBLEMS, actor="hf:x", critic="openai:x", out=out)


def test_server_of_no_role_is_said(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    models = {"actor": HashedModel(), "critic": HashedModel()}
    run_problems(PROBLEMS, **models, base_url="http://127.0.0.1:8000/v1", out=tmp_path / "run")
    assert "base_url is used for no role" in caplog.text


def test_run_says_that_the_actor_criticises_itself(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    with caplog.at_level(logging.WARNING):
        run_problems(PROBLEMS, actor=ScriptedModel(answer=lambda _: solution(7)), rounds=0, out=tmp_path / "run")
    assert "the actor criticises its own responses: no other critic is named" in caplog.text
