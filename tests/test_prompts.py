"""Wording of the prompts as users give it: on the command line, in a file of settings, and in Python."""

import json
from pathlib import Path

import pytest
from fakes import ScriptedModel, reply
from hashed_model import HashedModel

from critique_graph import (
    create_actor_critic,
    create_auto_critique,
    create_flawed_paths,
    create_self_talk,
    run_problems,
)
from critique_graph.cli import run_command
from critique_graph.core.errors import InputError
from critique_graph.graphs.comparison_pool import create_pool
from critique_graph.graphs.judge import create_judge

MINE = 'solve: {system: Be brief., ask: "{{problem}} Go!"}\n'
SMALL = ("--limit", "2", "--rounds", "0", "--quiet")


def command(*arguments: str | Path) -> int:
    return run_command(list(map(str, arguments)))


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    file = tmp_path / "mine.yaml"
    file.write_text(MINE)
    return file


def test_run_records_the_wording_and_resumes_with_no_other(mine: Path, capsys: pytest.CaptureFixture[str]):
    out = mine.parent / "run"
    assert command("run", *SMALL, "--prompts", mine, "--out", out) == 0

    manifest = json.loads((out / "manifest.json").read_text())
    trace = json.loads((out / "traces.jsonl").read_text().splitlines()[0])
    wording = {"solve": {"system": "Be brief.", "ask": "{{problem}} Go!", "examples": []}}
    assert manifest["configuration"]["prompts"] == trace["settings"]["prompts"] == wording
    assert manifest["prompts"] == trace["prompts"]

    assert command("run", *SMALL, "--out", out) == 2
    assert f"prompts was '{manifest['prompts']}'" in capsys.readouterr().err.replace("\n", " ")
    mine.rename(mine.with_name("moved.yaml"))
    assert command("run", "--config", out / "run.yaml", "--quiet", "--out", out) == 0


def test_default_by_name_resumes_a_run_without_the_flag(tmp_path: Path):
    out = tmp_path / "run"
    assert command("run", *SMALL, "--out", out) == 0
    assert command("run", *SMALL, "--out", out, "--prompts", "default") == 0
    assert json.loads((out / "manifest.json").read_text())["configuration"]["prompts"] == "default"


def test_printed_wording_is_a_file_to_start_from(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert command("prompts") == 0
    file = tmp_path / "mine.yaml"
    file.write_text(capsys.readouterr().out)

    assert "# Slots: {{problem}}, {{response}} or {{steps}}." in file.read_text()
    assert command("run", *SMALL, "--prompts", file, "--out", tmp_path / "run") == 0
    assert json.loads((tmp_path / "run/manifest.json").read_text())["configuration"]["prompts"] == "default"


def test_bad_wording_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    file = tmp_path / "bad.yaml"
    file.write_text('critique: {ask: "{{problem}} {{respnse}}"}')

    for verb in ("run", "generate", "self-talk", "compare", "eval-critic", "improve"):
        assert command(verb, "--prompts", file, "--out", tmp_path / "run") == 2
        assert "critique: ask: there is no slot {{respnse}} here" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "run").exists()
    assert command("prompts", "--name", "math-fr") == 2


def test_card_gives_the_wording(mine: Path):
    out = mine.parent / "data"
    assert command("generate", "--limit", "2", "--samples", "2", "--quiet", "--prompts", mine, "--out", out) == 0

    card = (out / "dataset/README.md").read_text()
    assert "## Prompts" in card
    assert "ask: '{{problem}} Go!'" in card
    assert "system: Be brief." in card


def test_run_in_python_takes_a_mapping(tmp_path: Path):
    model = HashedModel()
    run_problems(
        actor=model,
        critic=model,
        limit=2,
        rounds=0,
        prompts={"solve": {"ask": "{{problem}} Go!"}},
        out=tmp_path / "run",
    )
    assert all(prompt.endswith("</problem> Go!") for prompt in model.prompts)


@pytest.mark.parametrize(
    "create",
    [create_actor_critic, create_auto_critique, create_flawed_paths, create_self_talk, create_pool, create_judge],
)
def test_every_graph_asks_in_the_given_wording(create, mine: Path):
    actor = ScriptedModel(answer=lambda messages: reply("no answer"))
    graph = create(actor, ScriptedModel(answer=lambda messages: reply("none")), prompts=mine).compile()

    graph.invoke({"question": "1 + 1?", "reference": "2"})

    asked = [[(message.type, message.text) for message in prompt[:2]] for prompt in actor.prompts]
    expected = [("system", "Be brief."), ("human", "<problem>\n1 + 1?\n</problem> Go!")]
    assert asked
    assert all(prompt == expected for prompt in asked)


def test_factory_refuses_a_wording_at_once():
    with pytest.raises(InputError, match=r"refine: ask: the slot \{\{critique\}\} is missing"):
        create_actor_critic(prompts={"refine": {"ask": "Again!"}})
