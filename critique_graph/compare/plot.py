"""Draws what `compare` found: accuracy against cost, a line for every vote, a mark for every other strategy."""

from collections.abc import Iterator
from pathlib import Path

from critique_graph.compare.comparison import Comparison
from critique_graph.metrics.intervals import wilson
from critique_graph.output.figures import LineFigure, Point, write_figure

FINDING = ("majority", "critic_loop_vote", "critic_loop")
"""Strategies of which the verdict speaks."""


def plot_comparison(comparison: Comparison, path: Path) -> list[Path]:
    """Draw accuracy against tokens per problem, or against calls if tokens are unknown; see `write_figure`."""
    return write_figure(comparison_figure(comparison), path)


def comparison_figure(comparison: Comparison) -> LineFigure:
    """Give what is drawn; every point has the interval of its accuracy alone, as in `StrategyFigures.accuracy`."""
    unit = "calls" if any(s.tokens_per_problem is None for s in comparison.strategies.values()) else "tokens"
    bounds = [figures.label for figures in comparison.strategies.values() if figures.is_upper_bound]
    shown = [comparison.strategies[name].label for name in FINDING if name in comparison.strategies]
    dotted = "; grey: upper bounds, which look at the reference" if bounds else ""
    return LineFigure(
        title=_title(comparison, unit),
        note=f"{comparison.size}. Bands: 95 % interval of each alone{dotted}",
        x=f"{unit} per problem",
        y="accuracy",
        points=tuple(_points(comparison, unit)),
        findings=shown,
        bounds=bounds,
        is_cost=True,
    )


def _points(comparison: Comparison, unit: str) -> Iterator[Point]:
    for figures in comparison.strategies.values():
        for point in figures.curve:
            rate = wilson(point.accuracy * comparison.problems, comparison.problems)
            yield Point(figures.label, getattr(point, f"{unit}_per_problem"), point.accuracy, rate.low, rate.high)


def _title(comparison: Comparison, unit: str) -> str:
    """Say in one line what the comparison found; `Comparison.verdict` says more."""
    loop = comparison.strategies.get("critic_loop")
    if loop is None:
        return "Accuracy against cost"
    matched = loop.against_majority["tokens" if unit == "tokens" else "calls"]
    if matched is None:
        return f"The critic loop reaches {loop.accuracy.percent()}"
    gain = matched.gain
    assert gain.low is not None
    assert gain.high is not None
    points = gain.percent(sign="+", unit="points")
    if gain.low <= 0 <= gain.high:
        return f"At equal {unit} the critic loop cannot be told from majority vote: {points}"
    return f"At equal {unit} the critic loop {'beats' if gain.low > 0 else 'loses to'} majority vote by {points}"
