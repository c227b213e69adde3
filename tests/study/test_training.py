"""The part `training` of a study."""

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from learners import TEST, TRAINING, FailingTrainer, Models, job
from learning import FakeTrainer

from critique_graph.core.errors import RunError
from critique_graph.core.schema import Problem
from critique_graph.metrics.intervals import Rate, paired_difference
from critique_graph.runs.traces import read_traces
from critique_graph.study.figures import write_figures
from critique_graph.study.learning import Learner, Measured, find_learner, finding, shared
from critique_graph.study.learning_settings import recipe
from critique_graph.study.part import PartResult
from critique_graph.study.training import training

WAYS = ["start", "direct", "refinement", "self-correction", "vanilla self-improvement", "critic self-improvement"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("study") / "training"


@pytest.fixture(scope="module")
def trainer() -> FakeTrainer:
    return FakeTrainer()


@pytest.fixture(scope="module")
def result(folder: Path, trainer: FakeTrainer) -> PartResult:
    return training(job(folder), trainer=trainer)


def test_table_has_every_way_to_train_without_and_with_critic(result: PartResult, folder: Path) -> None:
    rows = result.tables["grid"]
    assert [(row["train"], row["test"]) for row in rows] == [(w, t) for w in WAYS for t in ("alone", "with critic")]
    assert {row["n"] for row in rows} == {len(TEST)}
    tested = Measured.read(folder / "refinement" / "test")
    by_cell = {(row["train"], row["test"]): row["value"] for row in rows}
    assert by_cell["refinement", "alone"] == sum(tested.alone.values()) / len(TEST)
    assert by_cell["refinement", "with critic"] == sum(tested.final.values()) / len(TEST)
    assert result.left_out is None


def test_each_training_learns_its_own_rows(result: PartResult, trainer: FakeTrainer, folder: Path) -> None:
    learned = {order.out.parent.name: rows for order, rows in zip(trainer.orders, trainer.learned, strict=True)}
    direct, refinement = learned["direct"], learned["refinement"]
    assert refinement[: len(direct)] == direct
    assert all("Correctness of the final answer" in str(row["prompt"]) for row in refinement[len(direct) :])
    assert len(refinement) > len(direct) > 0
    assert all("Correctness of the final answer" in str(row["completion"]) for row in learned["self-correction"])
    rows = {row["train"]: row["rows"] for row in result.tables["grid"]}
    assert [rows[way] for way in ("direct", "refinement", "self-correction")] == [
        len(learned[way]) for way in ("direct", "refinement", "self-correction")
    ]


def test_findings_are_paired_differences_on_the_test_problems(result: PartResult, folder: Path) -> None:
    assert [found.name for found in result.findings] == [
        "critic_beats_vanilla_self_improvement_at_2",
        "critic_beats_vanilla_self_improvement_at_3",
        "vanilla_self_improvement_gains_at_first",
        "vanilla_self_improvement_drops_later",
        "critic_self_improvement_is_steadier",
        "critic_adds_hard_problems_to_the_training_set",
        "critic_self_improvement_gains_on_hard_problems",
        "test_time_critic_adds_less_after_training_with_it",
        "critic_self_improvement_with_critic_is_best",
    ]
    found = result.findings[1]
    sides = [Measured.read(folder / f"{kind}-3" / "iteration-2" / "test").alone for kind in ("vanilla", "critic")]
    vanilla, critic = shared(*sides)
    expected = paired_difference(vanilla, critic)
    assert (found.value, found.low, found.high, found.n) == (expected.value, expected.low, expected.high, len(TEST))
    assert found.compute.startswith("not matched: as in the paper, equal responses; ")


def test_iterations_and_long_tail_are_tables_of_numbers(result: PartResult, folder: Path) -> None:
    rows = result.tables["iterations"]
    assert {(row["kind"], row["samples"], row["iteration"]) for row in rows} == {
        (kind, samples, index) for kind in ("critic", "vanilla") for samples in (2, 3) for index in (0, 1, 2)
    }
    tail = result.tables["long_tail"]
    before = {row["level"]: row["value"] for row in tail if row["kind"] == "problems"}
    assert before == {level: sum(p.level == level for p in TRAINING) / len(TRAINING) for level in (0, 1, 2)}
    shares = [row["value"] for row in tail if (row["kind"], row["samples"], row["iteration"]) == ("vanilla", 2, 1)]
    assert sum(shares) == pytest.approx(1)
    correct = [
        trace.problem.level
        for trace in read_traces(folder / "vanilla-2" / "iteration-1" / "explore")
        for chain in trace.chains
        if chain.response is not None and chain.response.is_correct
    ]
    assert shares == [pytest.approx(correct.count(level) / len(correct)) for level in (0, 1, 2)]


def test_figure_has_the_numbers_of_the_table(result: PartResult, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    write_figures([result], tmp_path)
    with (tmp_path / "training.csv").open() as file:
        drawn = {(row["line"], int(row["iteration"])): float(row["correct"]) for row in csv.DictReader(file)}
    rows = result.tables["iterations"]
    most = max(row["samples"] for row in rows)
    assert drawn == {
        (f"{row['kind']}, {row['test']}", row["iteration"]): row["value"] for row in rows if row["samples"] == most
    }


def test_accuracy_by_level_adds_up(result: PartResult) -> None:
    whole = {(row["train"], row["test"]): row["value"] * row["n"] for row in result.tables["grid"]}
    for (train, test), right in whole.items():
        of_levels = [row for row in result.tables["levels"] if (row["train"], row["test"]) == (train, test)]
        assert sum(row["value"] * row["n"] for row in of_levels) == pytest.approx(right)


def test_same_job_again_asks_no_model(result: PartResult, folder: Path) -> None:
    models = Models()
    assert training(job(folder, models=models), trainer=FakeTrainer()) == result
    assert models.calls == 0


@pytest.mark.parametrize("place", ["critic-2/iteration-2", "vanilla-3/iteration-1", "refinement"])
def test_part_that_was_stopped_goes_on_where_it_was(place: str, result: PartResult, tmp_path: Path) -> None:
    stopped = FailingTrainer(place, KeyboardInterrupt("stopped"))
    with pytest.raises(KeyboardInterrupt):
        training(job(tmp_path / "training"), trainer=stopped)
    models, trainer = Models(), FakeTrainer()
    assert training(job(tmp_path / "training", models=models), trainer=trainer) == result
    again = {order.out.relative_to(tmp_path / "training") for order in trainer.orders}
    done = {order.out.relative_to(tmp_path / "training") for order in stopped.orders}
    assert not {order for order in again & done if order.parts[0].partition("-")[0] in ("critic", "vanilla")}


def test_worked_solutions_are_learned_where_there_are_some(tmp_path: Path) -> None:
    solved = [problem.model_copy(update={"solution": f"Worked: {problem.answer}."}) for problem in TRAINING]
    trainer = FakeTrainer()
    training(job(tmp_path / "training", training=solved, explored=(2,), iterations=1), trainer=trainer)
    learned = {order.out.parent.name: rows for order, rows in zip(trainer.orders, trainer.learned, strict=True)}
    assert [row["completion"][0]["content"] for row in learned["direct"]] == [problem.solution for problem in solved]


@pytest.mark.parametrize(("name", "way"), [("self-correction", "self-correction"), ("vanilla-2", "vanilla")])
def test_training_that_fails_is_left_out_and_the_others_run(name: str, way: str, tmp_path: Path) -> None:
    trainer = FailingTrainer(name, RunError("out of memory."))
    found = training(job(tmp_path / "training", explored=(2,), iterations=1), trainer=trainer)
    assert found.left_out is not None
    assert found.left_out.startswith(way)
    assert "out of memory." in found.left_out
    trained = [row["train"] for row in found.tables["grid"] if row["test"] == "alone"]
    assert trained == [one for one in WAYS if not one.startswith(way)]
    assert any(one.name.startswith("critic_self_improvement_with_critic_is_best") for one in found.findings)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"actor": "openai:big", "base_url": "http://127.0.0.1:9/v1"}, "openai:big cannot be trained here"),
        ({"train": None}, "name some with --train"),
        ({"train": "hf:openai/gsm8k:main:test"}, "a test split makes no training data"),
    ],
    ids=["server", "no problems", "test split"],
)
def test_part_that_cannot_run_says_why(settings: dict[str, Any], reason: str, tmp_path: Path) -> None:
    found = training(job(tmp_path / "training", **settings))
    assert found.left_out is not None
    assert reason in found.left_out
    assert (found.findings, found.tables) == ((), {})


@pytest.mark.parametrize("problems", [TEST[:3], [Problem(id="open", question="Why?")]], ids=["tested", "no reference"])
def test_problems_that_are_tested_on_or_have_no_reference_are_not_learned(
    problems: list[Problem], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    learner = find_learner(job(tmp_path / "training", training=[*TRAINING, *problems]), FakeTrainer(), "training")
    assert isinstance(learner, Learner)
    assert [problem.id for problem in learner.sets.training] == [problem.id for problem in TRAINING]
    assert f"{len(problems)} training problems are left out" in caplog.text
    given = job(tmp_path / "training", training=problems)
    assert find_learner(given, FakeTrainer(), "training") == (
        f"{given.settings.train}: every problem is one to test on, or has no reference answer."
    )


def test_problems_without_reference_are_not_tested_on(tmp_path: Path) -> None:
    asked = replace(job(tmp_path / "training"), problems=[*TEST, Problem(id="open", question="Why?")])
    learner = find_learner(asked, FakeTrainer(), "training")
    assert isinstance(learner, Learner)
    assert learner.sets.test == TEST
    nothing = replace(asked, problems=[Problem(id="open", question="Why?")])
    assert training(nothing).left_out == "it needs reference answers, and no problem has one."


@pytest.mark.parametrize(
    ("low", "high", "side", "holds"),
    [
        (0.01, 0.2, "above", "yes"),
        (-0.2, -0.01, "above", "no"),
        (-0.1, 0.1, "above", "unclear"),
        (-0.2, -0.01, "below", "yes"),
        (0.01, 0.2, "below", "no"),
        (None, None, "above", "unclear"),
    ],
)
def test_statement_holds_by_the_interval(low: float | None, high: float | None, side: str, holds: str) -> None:
    rate = Rate(value=0.0, low=low, high=high, n=9)
    found = finding("training", "name", "A statement.", rate, what="It", compute="matched", below=side == "below")
    assert found.holds == holds


def test_few_problems_say_too_little() -> None:
    rate = Rate(value=0.5, low=0.1, high=0.9, n=4)
    assert finding("training", "name", "A statement.", rate, what="It", compute="matched").holds == "unclear"


def test_miniature_has_a_recipe_of_its_own(tmp_path: Path) -> None:
    settings = job(tmp_path / "training").settings
    assert recipe(settings, "hf:PATH", "training") == {}
    assert recipe(settings, "miniature:actor", "training")["learning_rate"] == 1e-4
    chosen = settings.model_copy(update={"learning_rate": 1e-5, "epochs": 1.0})
    assert recipe(chosen, "miniature:actor", "self_talk") == {"learning_rate": 1e-5, "batch_size": 32, "epochs": 1.0}
