"""`critique-graph improve`: its problems, its folder, its summary."""

import json
from pathlib import Path

import pytest
from hashed_model import addition_problems
from learning import FakeTrainer, load

from critique_graph.cli import run_command
from critique_graph.core.errors import InputError
from critique_graph.improve.problems import improvement_problems
from critique_graph.improve.run import improve_actor
from critique_graph.improve.settings import ImproveSettings
from critique_graph.improve.table import improvement_table


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "problems.jsonl"
    path.write_text("".join(problem.model_dump_json() + "\n" for problem in addition_problems(60)))
    return str(path)


def test_tenth_of_a_file_is_held_out_for_validation(file: str) -> None:
    sets = improvement_problems(ImproveSettings(problems=file))
    assert len(sets.training) + len(sets.validation) == 60
    assert 2 <= len(sets.validation) <= 12
    assert not {problem.id for problem in sets.training} & {problem.id for problem in sets.validation}
    assert sets.test == []


def test_sets_of_the_miniature_share_no_problem() -> None:
    settings = ImproveSettings(limit=50, validation_limit=20, test_limit=20)
    sets = improvement_problems(settings)
    assert [len(part) for part in (sets.training, sets.validation, sets.test)] == [50, 20, 20]
    assert len({problem.question for part in (sets.training, sets.validation, sets.test) for problem in part}) == 90


def test_test_split_is_refused() -> None:
    with pytest.raises(InputError, match="a test split makes no training data"):
        improvement_problems(ImproveSettings(problems="hf:openai/gsm8k:main:test"))


def test_problem_that_is_measured_on_too_is_refused(file: str) -> None:
    with pytest.raises(InputError, match="is a training problem and also a validation or test problem"):
        improvement_problems(ImproveSettings(problems=file, validation=file, validation_limit=3))


def test_problem_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    problems = addition_problems(20)
    with pytest.raises(InputError, match="the id 'p0' is there twice"):
        improve_actor([*problems, problems[0]], actor="hf:start", critic="none", out=tmp_path / "out", load=load)


def test_problem_without_a_reference_is_refused(tmp_path: Path) -> None:
    (tmp_path / "open.jsonl").write_text('{"question": "Why?"}\n')
    with pytest.raises(InputError, match="has no reference answer; self-improvement needs one"):
        improvement_problems(ImproveSettings(problems=str(tmp_path / "open.jsonl")))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--actor", "openai:gpt"), "it is trained, so it must be hf:NAME_OR_PATH"),
        (("--critic", "nobody"), "Unknown model"),
        (("--base", "hf:/nowhere"), "there is no such folder"),
        (("--original", "none.jsonl"), "--original none.jsonl: there is no such file"),
        (("--iterations", "0"), "--iterations: input should be greater than or equal to 1"),
    ],
)
def test_impossible_settings_are_one_line(
    arguments: tuple[str, ...], message: str, file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("trl")
    assert run_command(["improve", file, "--out", str(tmp_path / "out"), *arguments]) == 2
    assert message in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("skill", [100, 256])
def test_training_that_changes_nothing_is_named(file: str, tmp_path: Path, skill: int) -> None:
    settings = ImproveSettings(problems=file, actor="hf:start", critic="none", iterations=1, samples=3)
    trainer = FakeTrainer(lambda rows: skill)  # the start has 100
    summary = improve_actor(**dict(settings), out=tmp_path / "out", trainer=trainer, load=load)
    changed = summary.iterations[0].changed
    assert changed is not None
    assert changed.n == summary.iterations[0].validation.n
    assert (changed.value == 0) == (skill == 100)
    assert ("its training changed nothing" in improvement_table(summary)) == (skill == 100)


def test_summary_and_manifest_hold_every_iteration(file: str, tmp_path: Path) -> None:
    settings = ImproveSettings(problems=file, actor="hf:start", critic="none", iterations=2, samples=3)
    summary = improve_actor(**dict(settings), out=tmp_path / "out", trainer=FakeTrainer(), load=load)
    assert (summary.state, [found.index for found in summary.iterations]) == ("complete", [1, 2])
    printed = summary.model_dump(mode="json")
    keys = {"index", "accuracy", "by_difficulty", "kept_direct", "kept_refined", "rows", "model"}
    assert all(keys <= set(found) for found in printed["iterations"])
    assert set(printed["iterations"][0]["accuracy"]) == {"value", "low", "high", "n"}
    assert [found["learning_rate"] for found in printed["iterations"]] == [2e-4, 2e-4]
    assert "learning rate            -                    0.0002" in improvement_table(summary)
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["iterations"] == printed["iterations"]
    assert manifest["best"] == printed["best"]


def test_actor_that_is_given_alone_is_its_own_critic(
    file: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[object] = []

    def recording(model: object) -> object:
        loaded.append(model)
        return load(model)

    monkeypatch.setattr("critique_graph.improve.run.load_role", lambda role, model: loaded.append(model.model))
    improve_actor(
        file, actor="hf:start", iterations=1, samples=3, out=tmp_path / "out", trainer=FakeTrainer(), load=recording
    )
    assert "criticises its own responses: no other critic is named" in caplog.text
    assert "miniature:critic" not in loaded
    record = json.loads((tmp_path / "out/iteration-0/record.json").read_text())
    assert record["settings"]["critic"] == "hf:start"


def test_fresh_starts_over(file: str, tmp_path: Path) -> None:
    settings = ImproveSettings(problems=file, actor="hf:start", critic="none", iterations=1, samples=3)
    improve_actor(**dict(settings), out=tmp_path / "out", trainer=FakeTrainer(), load=load)
    trainer = FakeTrainer()
    improve_actor(**dict(settings), out=tmp_path / "out", trainer=trainer, load=load, fresh=True)
    assert len(trainer.orders) == 1


def test_levels_above_the_middle_are_hard() -> None:
    from critique_graph.improve.records import hard_levels

    problems = [problem.model_copy(update={"level": 2 + n % 7}) for n, problem in enumerate(addition_problems(20))]
    assert hard_levels(problems) == {6, 7, 8}
    assert hard_levels([problem.model_copy(update={"level": None}) for problem in problems]) == frozenset()
