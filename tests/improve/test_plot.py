import csv
from pathlib import Path

import pytest
from hashed_model import addition_problems
from learning import FakeTrainer, load

from critique_graph.improve.plot import accuracy_figure, levels_figure, plot_improvement
from critique_graph.improve.problems import ImprovementProblems
from critique_graph.improve.records import ImprovementSummary
from critique_graph.improve.run import improve_actor

PROBLEMS = addition_problems(40)
SETS = ImprovementProblems(PROBLEMS[:20], PROBLEMS[20:30], PROBLEMS[30:])


@pytest.fixture(scope="module")
def summary(tmp_path_factory: pytest.TempPathFactory) -> ImprovementSummary:
    out = tmp_path_factory.mktemp("improve") / "out"
    return improve_actor(
        SETS, actor="hf:start", critic="none", iterations=2, samples=3, out=out, trainer=FakeTrainer(), load=load
    )


def table(file: Path) -> list[list[str]]:
    with file.open(newline="") as opened:
        return list(csv.reader(opened))


def test_numbers_are_those_of_the_summary(summary: ImprovementSummary, tmp_path: Path):
    pytest.importorskip("matplotlib")
    plot_improvement(summary, tmp_path / "curve.svg")

    header, *rows = table(tmp_path / "curve.csv")
    assert header == ["line", "iteration", "accuracy", "low", "high"]
    assert summary.start is not None
    measured = [summary.start, *summary.iterations]
    assert [[float(cell) for cell in row[1:]] for row in rows if row[0] == "alone"] == [
        [number, found.accuracy.value, found.accuracy.low, found.accuracy.high] for number, found in enumerate(measured)
    ]
    header, *rows = table(tmp_path / "curve-levels.csv")
    assert header == ["line", "level", "share of rows", "low", "high"]
    assert [(row[0], int(row[1]), float(row[2])) for row in rows] == [
        (f"iteration {found.index}", level, rate.value)
        for found in summary.iterations
        for level, rate in found.kept_by_difficulty.items()
    ]


def test_actor_that_has_no_critic_has_no_line_with_one(summary: ImprovementSummary):
    assert {point.line for point in accuracy_figure(summary).points} == {"alone", "hard problems, alone", "validation"}


def test_titles_say_what_was_found(summary: ImprovementSummary):
    assert summary.start is not None
    first, last = summary.start.accuracy.percent(), summary.iterations[-1].accuracy.percent()
    assert accuracy_figure(summary).title == f"Accuracy alone: {first} before, {last} after 2 iterations"
    first, last = (found.kept_hard.percent() for found in summary.iterations)
    assert levels_figure(summary).title == f"Hard problems: {first} of the rows in iteration 1, {last} in 2"


def test_nothing_measured_writes_nothing(summary: ImprovementSummary, tmp_path: Path):
    stopped = summary.model_copy(update={"start": None, "iterations": ()})
    assert plot_improvement(stopped, tmp_path / "curve.svg") == []
    assert list(tmp_path.iterdir()) == []
