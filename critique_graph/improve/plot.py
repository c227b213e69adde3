"""Draws what `improve` found: accuracy by iteration, and the levels of the problems that every iteration learns."""

from collections.abc import Iterator
from pathlib import Path

from critique_graph.improve.records import ActorEvaluation, ImprovementSummary
from critique_graph.metrics.intervals import Rate
from critique_graph.output.figures import LineFigure, Point, write_figure

ALONE, WITH_CRITIC, HARD, VALIDATION = "alone", "with critic", "hard problems, alone", "validation"
ON_CORRECT, ON_WRONG = "on correct responses", "on wrong responses"
LEVELS, CRITIC = "-levels", "-critic"
"""What the names of the second and the third figure have after that of the first."""


def plot_improvement(summary: ImprovementSummary, path: Path) -> list[Path]:
    """Draw accuracy by iteration; and, under further names, the long tail and the verdicts of a critic that learns.

    The long tail (`-levels`) needs problems with levels, and the verdicts (`-critic`) an exam of the critic. Nothing
    is drawn if nothing was measured. See `write_figure`.
    """
    written = []
    if (accuracy := accuracy_figure(summary)).points:
        written += write_figure(accuracy, path)
    if (levels := levels_figure(summary)).points:
        written += write_figure(levels, path.with_stem(path.stem + LEVELS))
    if (verdicts := verdicts_figure(summary)).points:
        written += write_figure(verdicts, path.with_stem(path.stem + CRITIC))
    return written


def accuracy_figure(summary: ImprovementSummary) -> LineFigure:
    """Give accuracy by iteration; 0 is the actor before training."""
    measured = [*([summary.start] if summary.start else []), *summary.iterations]
    points = tuple(_accuracies(measured))
    n = measured[0].accuracy.n if measured else 0
    title = "Accuracy by iteration"
    if len(measured) > 1:
        first, last = measured[0].accuracy.percent(), measured[-1].accuracy.percent()
        iterations = f"{len(measured) - 1} iteration{'s' * (len(measured) > 2)}"
        title = f"Accuracy alone: {first} before, {last} after {iterations}"
    return LineFigure(
        title=title,
        note=f"{n} problems, greedy. Bands: 95 % interval of each alone, not of the differences",
        x="iteration",
        y="accuracy",
        points=points,
        findings=[name for name in (ALONE, WITH_CRITIC) if any(point.line == name for point in points)],
    )


def verdicts_figure(summary: ImprovementSummary) -> LineFigure:
    """Give the shares of correct verdicts in the exam of a critic that learns; 0 is the critic before training."""
    measured = [*([summary.start] if summary.start else []), *summary.iterations]
    lines = {ON_CORRECT: [found.exam_on_correct for found in measured]}
    lines[ON_WRONG] = [found.exam_on_wrong for found in measured]
    points = tuple(
        _point(name, iteration, rate)
        for name, rates in lines.items()
        for iteration, rate in enumerate(rates)
        if rate is not None and rate.value is not None
    )
    title = "Verdicts of the critic by iteration"
    if points:
        first, last = (measured[place].exam_on_wrong for place in (0, -1))
        if first is not None and last is not None:
            title = f"Wrong responses called wrong: {first.percent()} before, {last.percent()} in the end"
    return LineFigure(
        title=title,
        note="Responses of the first actor in every iteration. Bands: 95 % intervals",
        x="iteration",
        y="share of correct verdicts",
        points=points,
        findings=[name for name in lines if any(point.line == name for point in points)],
    )


def levels_figure(summary: ImprovementSummary) -> LineFigure:
    """Give the share of every level among the rows that each iteration learns from its own exploration."""
    kept = [found for found in summary.iterations if found.kept_by_difficulty]
    names = {found.index: f"iteration {found.index}" for found in kept}
    title = "Levels of the rows that are learned"
    if kept and kept[0].kept_hard.n:
        title = f"Hard problems: {kept[0].kept_hard.percent()} of the rows in iteration {kept[0].index}"
        if len(kept) > 1:
            title += f", {kept[-1].kept_hard.percent()} in {kept[-1].index}"
    return LineFigure(
        title=title,
        note="Share of each level among the kept rows. Hard: the upper half of the levels. Bands: 95 % intervals",
        x="level",
        y="share of rows",
        points=tuple(
            _point(names[found.index], level, rate)
            for found in kept
            for level, rate in found.kept_by_difficulty.items()
            if rate.value is not None
        ),
        findings=list(dict.fromkeys(names[found.index] for found in (*kept[:1], *kept[-1:]))),
    )


def _accuracies(measured: list[ActorEvaluation]) -> Iterator[Point]:
    has_test = any(found.validation != found.accuracy for found in measured)
    for name, rates in (
        (ALONE, [found.accuracy for found in measured]),
        (WITH_CRITIC, [found.accuracy_with_critic for found in measured]),
        (HARD, [found.accuracy_hard for found in measured]),
        (VALIDATION, [found.validation for found in measured] if has_test else []),
    ):
        for iteration, rate in enumerate(rates):
            if rate is not None and rate.value is not None:
                yield _point(name, iteration, rate)


def _point(line: str, x: float, rate: Rate) -> Point:
    assert rate.value is not None
    return Point(line, x, rate.value, rate.low, rate.high)
