"""`critique-graph train critic-rl`, with the miniature: what it leaves, how it resumes, what it refuses."""

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl")

from critique_graph.cli import run_command
from critique_graph.models.load import load_model
from critique_graph.nodes.critique import critique_messages

PAIR = ("--model", "miniature:critic", "--partner", "miniature:actor")
SMALL = ("-n", "4", "--eval", "miniature", "--eval-limit", "2", "--batch-size", "4", "--generations", "2")
SHORT = ("--critique-tokens", "24", "--max-tokens", "60", "--evaluate-every", "1", "--quiet")
"""Critiques are cut off, so that a step takes a second; nothing is learned from them."""
STEPS = ("--discriminability-steps", "1", "--helpfulness-steps", "1")


def trained(capsys: pytest.CaptureFixture[str], out: Path, *arguments: str) -> dict[str, Any]:
    capsys.readouterr()
    command = ["train", "critic-rl", "miniature", *PAIR, "--out", str(out), *SMALL, *SHORT, *STEPS, "--json"]
    assert run_command([*command, *arguments]) == 0
    return json.loads(capsys.readouterr().out)


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    assert run_command(["train", *arguments, "--quiet"]) == 2
    return " ".join(capsys.readouterr().err.split())


@pytest.mark.slow
@pytest.mark.parametrize("estimator", ["grpo", "rloo"])
def test_trained_critic_can_be_used_at_once_and_is_trained_once(
    estimator: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    out = tmp_path / "model"
    done = trained(capsys, out, "--estimator", estimator)

    assert (done["task"], done["steps"], done["model"]) == ("critic-rl", 2, f"hf:{out}")
    assert done["learning_rate"] == 1e-5
    record = done["reinforcement"]
    assert [step["stage"] for step in record["steps"]] == ["discriminability", "helpfulness"]
    assert [step["reward"] for step in record["steps"]] == [-1.0, -1.0]
    assert [(found["step"], found["gain"]["n"]) for found in record["evaluations"]] == [(0, 2), (1, 2), (2, 2)]
    rows = [json.loads(line) for line in (out / "training" / "rows" / "train.jsonl").read_text().splitlines()]
    assert len(rows) == record["responses"] == 2 * sum(row["is_correct"] for row in rows)
    reply = load_model(done["model"]).invoke(critique_messages("What is 2 + 3?", "2 + 3 = 5."), max_tokens=5)
    assert reply.usage_metadata is not None
    assert not (out / "training" / "checkpoints").exists()
    card = (out / "README.md").read_text()
    assert "# critic trained by reinforcement from miniature:critic" in card
    assert "| 2 | helpfulness |" in card
    written = (out / "model.safetensors").stat().st_mtime_ns
    assert trained(capsys, out, "--estimator", estimator) == done
    assert (out / "model.safetensors").stat().st_mtime_ns == written


@pytest.mark.slow
def test_killed_training_goes_on_from_its_last_checkpoint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    from critique_graph.trainers.critic_rl_evaluation import Evaluator

    evaluated, evaluate = list[int](), Evaluator.__call__

    def note(self: Evaluator, step: int, weights: str | Path) -> None:
        evaluated.append(step)
        if evaluated == [0, 1]:
            raise KeyboardInterrupt
        evaluate(self, step, weights)

    monkeypatch.setattr(Evaluator, "__call__", note)
    command = ["train", "critic-rl", "miniature", *PAIR, "--out", str(tmp_path / "model"), *SMALL, *SHORT, *STEPS]
    with pytest.raises(SystemExit):
        run_command(command)

    done = trained(capsys, tmp_path / "model")

    assert evaluated == [0, 1, 0, 1, 2]
    assert [found["step"] for found in done["reinforcement"]["evaluations"]] == [0, 1, 2]
    assert [step["step"] for step in done["reinforcement"]["steps"]] == [1, 2]


@pytest.mark.slow
def test_rewards_without_variance_are_an_error_and_other_settings_keep_the_responses(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    given = ("critic-rl", "miniature", *PAIR, "--out", str(tmp_path / "model"), *SMALL, *SHORT[:4])

    said = refused(capsys, *given, "--discriminability-steps", "9")

    assert "in steps 1 to 5, all 2 critiques of every response had the same reward (mean -1.00" in said
    assert not (tmp_path / "model" / "model.safetensors").exists()
    sampled = (tmp_path / "model" / "training" / "responses" / "journal.sqlite").stat().st_ino
    assert trained(capsys, tmp_path / "model")["steps"] == 2
    assert (tmp_path / "model" / "training" / "responses" / "journal.sqlite").stat().st_ino == sampled


def test_weights_that_are_no_numbers_end_the_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    def drawn(*arguments: Any, **others: Any) -> Any:
        raise RuntimeError("probability tensor contains either `inf`, `nan` or element < 0")

    monkeypatch.setattr("critique_graph.trainers.critic_rl_trainer.run_trainer", drawn)
    given = ("critic-rl", "miniature", *PAIR, "--out", str(tmp_path / "model"), *SMALL, *SHORT[:4])

    assert "the weights are no longer finite numbers: lower the learning rate" in refused(capsys, *given)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--model", "miniature:critic"), "critic-rl needs --partner"),
        ((*PAIR, "--epochs", "2", "--balance", "level"), "--epochs, --balance: critic-rl has no such setting"),
        ((*PAIR, "--batch-size", "12"), "--batch-size 12 is no multiple of --generations 8"),
        ((*PAIR, "--rows-at-once", "5"), "--batch-size 32 is no multiple of --rows-at-once 5"),
        ((*PAIR, "--discriminability-steps", "0", "--helpfulness-steps", "0"), "there is nothing to do"),
        ((*PAIR, "-n", "3"), "too few problems to hold some out"),
        ((*PAIR, "--optimizer", "adamwhat"), "--optimizer adamwhat is none of transformers' optimizers"),
        (("--model", "openai:gpt", "--partner", "miniature:actor"), "training starts from hf:NAME_OR_PATH"),
    ],
)
def test_impossible_settings_are_one_line(
    arguments: tuple[str, ...], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert message in refused(capsys, "critic-rl", "miniature", *arguments, "--out", str(tmp_path / "model"))
    assert not (tmp_path / "model").exists()


def test_test_problems_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    given = (*PAIR, "--out", str(tmp_path / "model"))
    assert "a test split makes no training data" in refused(capsys, "critic-rl", "hf:openai/gsm8k:main:test", *given)
    capsys.readouterr()
    assert run_command(["miniature", "problems", "-n", "3", "--split", "test"]) == 0
    (tmp_path / "problems.jsonl").write_text(capsys.readouterr().out)
    said = refused(capsys, "critic-rl", str(tmp_path / "problems.jsonl"), *given)
    assert "all 3 problems are questions of the miniature's test split" in said


def test_problem_is_not_learned_and_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    capsys.readouterr()
    assert run_command(["miniature", "problems", "-n", "3", "--split", "train"]) == 0
    (tmp_path / "problems.jsonl").write_text(capsys.readouterr().out)
    given = (str(tmp_path / "problems.jsonl"), *PAIR, "--out", str(tmp_path / "model"))
    said = refused(capsys, "critic-rl", *given, "--eval", str(tmp_path / "problems.jsonl"))
    assert "is learned from, and is also in the evaluation" in said


def test_settings_of_reinforcement_are_refused_for_other_tasks(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    given = ("critic", str(tmp_path), "--model", "miniature:critic", "--out", str(tmp_path / "model"))
    said = refused(capsys, *given, "--temperature", "2", "--beta", "0")
    assert "--beta, --temperature: these are settings of critic-rl, and critic has none of them" in said


def test_several_processes_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("WORLD_SIZE", "2")
    said = refused(capsys, "critic-rl", "miniature", *PAIR, "--out", str(tmp_path / "model"))
    assert "critic-rl trains in one process" in said
