import csv
from pathlib import Path

import pytest
from pools import pool

from critique_graph.compare.comparison import Comparison
from critique_graph.compare.equal_cost import compare_traces
from critique_graph.compare.plot import comparison_figure, plot_comparison
from critique_graph.grading.grader import MathGrader


@pytest.fixture
async def comparison() -> Comparison:
    traces = [
        pool(("1", "correct", "2"), ("2", "wrong", "1"), ("2", "wrong", "1"), name="a", greedy="1"),
        pool(("1", "correct", "1"), ("1", "wrong", "2"), ("3", None, "1"), name="b", greedy="2"),
    ]
    return await compare_traces(traces, grader=MathGrader(), seconds=1.0, run="runs/a")


def test_csv_has_the_numbers_of_the_comparison(comparison: Comparison, tmp_path: Path):
    pytest.importorskip("matplotlib")
    written = plot_comparison(comparison, tmp_path / "curve.png")

    assert [file.name for file in written] == ["curve.svg", "curve.png", "curve.csv"]
    with (tmp_path / "curve.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["line", "tokens per problem", "accuracy", "low", "high"]
    assert [(name, float(x), float(y)) for name, x, y, *_ in rows] == [
        (figures.label, point.tokens_per_problem, point.accuracy)
        for figures in comparison.strategies.values()
        for point in figures.curve
    ]


def test_intervals_are_those_of_the_figures_with_as_many_chains(comparison: Comparison):
    points = comparison_figure(comparison).points

    for figures in comparison.strategies.values():
        (drawn,) = (p for p in points if p.line == figures.label and p.x == figures.tokens_per_problem)
        assert (drawn.y, drawn.low, drawn.high) == pytest.approx(
            (figures.accuracy.value, figures.accuracy.low, figures.accuracy.high)
        )


def test_unknown_tokens_give_a_figure_against_calls(comparison: Comparison):
    strategies = {
        name: figures.model_copy(update={"tokens_per_problem": None}) for name, figures in comparison.strategies.items()
    }
    figure = comparison_figure(comparison.model_copy(update={"strategies": strategies}))

    assert figure.x == "calls per problem"
    assert figure.points[0].x == 1.0


def test_pool_without_a_critic_has_a_title_too(comparison: Comparison):
    only = {"majority": comparison.strategies["majority"]}
    figure = comparison_figure(comparison.model_copy(update={"strategies": only}))

    assert (figure.title, figure.findings) == ("Accuracy against cost", ["majority vote"])
