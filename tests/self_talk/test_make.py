"""`critique-graph self-talk`: the data set, the figures, runs that stop in the middle, and what learns from it."""

import json
import signal
from pathlib import Path
from typing import Any

import killable_talk
import pytest
from fakes import ScriptedModel

from critique_graph.cli import run_command
from critique_graph.graphs.actor_critic import create_actor_critic
from critique_graph.graphs.prompts import prompt_hash, talk_prompts
from critique_graph.miniature.annotator import read_exercise
from critique_graph.miniature.task import split_of
from critique_graph.nodes.solve import solve_messages
from critique_graph.trainers.candidates import read_candidates
from critique_graph.trainers.rows import as_messages
from critique_graph.trainers.tasks import corrected


def self_talk(out: Path, capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> Any:
    """The summary and the data set's rows."""
    given = ["self-talk", *(arguments or ("miniature",)), "--out", str(out), "--quiet", "--json"]
    assert run_command(given) == code
    lines = (out / "dataset" / "self-talk.jsonl").read_text().splitlines()
    return json.loads(capsys.readouterr().out), [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def of_the_miniature(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "talk"
    assert run_command(["self-talk", "miniature", "--limit", "8", "--seed", "5", "--out", str(out), "--quiet"]) == 0
    return out


def test_figures_add_up_and_rows_are_what_was_kept(of_the_miniature: Path, capsys: pytest.CaptureFixture[str]):
    summary, rows = self_talk(of_the_miniature, capsys, "--limit", "8", "--seed", "5")
    assert (summary["problems"], summary["done"]) == (8, 8)
    assert summary["kept"] == len(rows) == summary["repaired"] + summary["right"]
    assert summary["talks"] == summary["kept"] + sum(summary["dropped"].values()) == 16
    assert summary["right"] > 0 < summary["repaired"]
    assert summary["repaired_share"]["n"] + summary["right_share"]["n"] == 16
    for row in rows:
        assert row["self_talk"].endswith(f"The answer is \\boxed{{{row['reference']}}}.")
        assert row["path"].endswith(f"The answer is \\boxed{{{row['reference']}}}.")
        assert row["is_correct"] == (row["repairs"] == 0) == (len(row["trajectory"]) == 2)
        assert len(row["trajectory"]) % 2 == (not row["is_correct"])
        assert row["self_talk"].count("Wrong.") >= row["repairs"]


def test_data_set_loads_and_its_card_says_how_it_was_made(of_the_miniature: Path, tmp_path: Path):
    datasets = pytest.importorskip("datasets")
    folder = of_the_miniature / "dataset"
    loaded = datasets.load_dataset(str(folder), split="train", cache_dir=str(tmp_path / "cache"))
    rows = [json.loads(line) for line in (folder / "self-talk.jsonl").read_text().splitlines()]
    assert loaded["self_talk"] == [row["self_talk"] for row in rows]
    card = (folder / "README.md").read_text()
    assert "Actor: miniature:actor. Critic: miniature:critic. Smoother: exact." in card
    assert all(f"| `{name}` | " in card for name in rows[0])
    assert prompt_hash(talk_prompts()["smooth"]) in card


def test_problems_of_the_miniature_are_for_training(of_the_miniature: Path):
    lines = (of_the_miniature / "dataset" / "self-talk.jsonl").read_text().splitlines()
    assert {split_of(read_exercise(json.loads(line)["question"]).operations) for line in lines} == {"train"}


def test_each_arm_learns_its_own_text_of_the_same_paths(of_the_miniature: Path):
    lines = (of_the_miniature / "dataset" / "self-talk.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    texts = {
        "self-talk": [row["self_talk"] for row in rows],
        "self-correction": ["\n\n".join(row["trajectory"]) for row in rows],
        "actor": [row["path"] for row in rows],
    }
    for task, expected in texts.items():
        candidates = list(read_candidates(of_the_miniature, task))
        assert [candidate.row["completion"][0]["content"] for candidate in candidates] == expected
        assert candidates[0].row["prompt"] == as_messages(solve_messages(rows[0]["question"]))
        assert [candidate.is_correct for candidate in candidates] == [row["is_correct"] for row in rows]


@pytest.mark.slow
@pytest.mark.parametrize("task", ["self-talk", "self-correction"])
def test_task_is_trained_into_a_model_that_solves_alone(
    task: str, of_the_miniature: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    out = tmp_path / "model"
    given = ["--model", "miniature:actor", "--max-steps", "2", "--batch-size", "2", "--out", str(out), "--quiet"]
    assert run_command(["train", task, str(of_the_miniature), *given, "--json"]) == 0
    training = json.loads(capsys.readouterr().out)
    rows = len((of_the_miniature / "dataset" / "self-talk.jsonl").read_text().splitlines())
    assert (training["task"], training["rows"]) == (task, rows)
    given = [
        "--actor",
        f"hf:{out}",
        "--rounds",
        "0",
        "--limit",
        "2",
        "--out",
        str(tmp_path / "run"),
        "--quiet",
        "--json",
    ]
    assert run_command(["run", *given]) == 0
    assert json.loads(capsys.readouterr().out)["done"] == 2


@pytest.mark.parametrize("form", ["self_talk", "trajectory"])
def test_loop_reads_the_last_answer_of_who_checks_itself(form: str, of_the_miniature: Path):
    lines = (of_the_miniature / "dataset" / "self-talk.jsonl").read_text().splitlines()
    row = next(row for row in map(json.loads, lines) if row["repairs"])
    text = row[form] if form == "self_talk" else corrected(*row[form])
    graph = create_actor_critic(ScriptedModel(replies=[text]), "miniature:critic", rounds=0).compile()
    result = graph.invoke({"question": row["question"], "reference": row["reference"]})
    assert (result["answer"], result["correct"]) == (row["reference"], True)


@pytest.mark.parametrize("task", ["critic", "refiner", "preference", "step-critic"])
def test_task_that_talks_have_no_rows_of_is_one_line(
    task: str, of_the_miniature: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert (
        run_command(["export", str(of_the_miniature), "--to", "trl", "--task", task, "--out", str(tmp_path / "x")]) == 2
    )
    assert f"self-talk holds no rows of {task}" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("problems", "message"),
    [
        ("hf:openai/gsm8k:main:test", "a test split makes no training data"),
        ("{problems}", "problem 'a' has no reference answer"),
    ],
    ids=["test split", "no reference"],
)
def test_problems_that_make_no_data_are_one_line(
    problems: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    file = tmp_path / "problems.jsonl"
    file.write_text('{"id": "a", "question": "What is 2 + 3?"}\n')
    assert run_command(["self-talk", problems.format(problems=file), "--out", str(tmp_path / "run")]) == 2
    assert message in " ".join(capsys.readouterr().err.split())


def test_critic_that_knows_no_format_stops_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    chatty = {
        "actor": ScriptedModel(answer=lambda messages: "2 + 3 = 5.\nThe answer is 5."),
        "critic": ScriptedModel(answer=lambda messages: "What a lovely solution!"),
        "smoother": "exact",
    }
    monkeypatch.setattr("critique_graph.verbs.job.load_roles", lambda roles: chatty)
    summary, rows = self_talk(tmp_path / "run", capsys, "miniature", "--limit", "100", "--concurrency", "1", code=4)
    assert (summary["kept"], rows) == (0, [])
    assert summary["dropped"] == {"unreadable": 40}


@pytest.fixture(scope="module")
def made_at_once(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, Any]:
    return killable_talk.make(tmp_path_factory.mktemp("runs") / "whole")


@pytest.mark.slow
@pytest.mark.parametrize("stage", killable_talk.STAGES)
def test_talks_of_a_run_killed_in_a_stage_are_those_of_one_that_was_not(
    stage: str, tmp_path: Path, made_at_once: tuple[bytes, Any]
):
    process = killable_talk.start(tmp_path / "killed", stage)
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert not (tmp_path / "killed" / "dataset").exists()
    assert killable_talk.make(tmp_path / "killed") == made_at_once
    assert made_at_once[0].count(b"\n") > 5
