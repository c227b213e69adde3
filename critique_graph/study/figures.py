"""Draws what a study found, from its tables alone: a figure for each part that has a curve."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from critique_graph.output.figures import LineFigure, Point, write_figure
from critique_graph.study.part import PartResult

FIGURES = "figures"
"""Folder of the figures in the study's folder."""
Row = Mapping[str, Any]


def write_figures(parts: Sequence[PartResult], folder: Path) -> list[Path]:
    """Draw every part that has a figure, as PART.svg and PART.png in the folder, with its numbers as PART.csv."""
    written: list[Path] = []
    for part in parts:
        if part.part in DRAWN and (figure := DRAWN[part.part](part)).points:
            folder.mkdir(parents=True, exist_ok=True)
            written += write_figure(figure, folder / f"{part.part}.svg")
    return written


def difficulty_figure(part: PartResult) -> LineFigure:
    """Give accuracy by level of difficulty."""
    lines = {"without": "without critic", "with_critic": "with critic"}
    points = _points(part.tables.get("levels", ()), "level", lines)
    return _figure(part, "Gain on hard problems over that on easy ones", 1, "level of difficulty", points)


def scaling_figure(part: PartResult) -> LineFigure:
    """Give votes and pass rates against their cost: tokens, or calls where tokens are unknown."""
    rows = part.tables.get("curve", ())
    has_tokens = all(row["tokens"] is not None for row in rows)
    refined, alone = ("tokens", "tokens_of_3k") if has_tokens else ("calls", "calls")
    points = [
        *_points(rows, refined, {"maj_with_critic": "maj@K, critic"}),
        *_points(rows, alone, {"maj_at_3k": "maj@3K"}),
        *_points(rows, refined, {"pass_with_critic": "pass@K, critic"}),
        *_points(rows, alone, {"pass_at_3k": "pass@3K"}),
    ]
    return _figure(part, "Maj@K with critic over maj@3K without", 0, f"{refined} per problem", points, is_cost=True)


def stability_figure(part: PartResult) -> LineFigure:
    """Give the share of correct votes, problems sorted by pass rate."""
    rows = [{**row, "place": place} for place, row in enumerate(part.tables.get("problems", ()), start=1)]
    lines = {"pass_rate": "without critic", "right_share_with_critic": "with critic"}
    points = _points(rows, "place", lines)
    return _figure(part, "Correct votes with critic over those without", 0, "problem, by pass rate", points)


def sequential_figure(part: PartResult) -> LineFigure:
    """Give rounds and independent responses against calls."""
    lines = {
        "maj_of_rounds": "vote of rounds",
        "maj_of_samples": "vote of responses",
        "pass_of_rounds": "pass@k, rounds",
        "pass_of_samples": "pass@k, responses",
        "last_round": "last round",
    }
    points = _points(part.tables.get("curve", ()), "calls", lines)
    return _figure(part, "Vote of rounds over vote of responses", 2, "calls per problem", points, is_cost=True)


def sizes_figure(part: PartResult) -> LineFigure:
    """Give accuracy by actor, in the order in which the actors were named."""
    rows = [{**row, "place": place} for place, row in enumerate(part.tables.get("actors", ()), start=1)]
    lines = {"without": "without critic", "with_critic": "with critic", "oracle": "oracle"}
    points = _points(rows, "place", lines, bounded=True)
    return _figure(part, "Lowest gain of an actor", 0, "actor, in the given order", points, bounds=("oracle",))


def critiques_figure(part: PartResult) -> LineFigure:
    """Give, for each strategy, its best split within a budget, measured on the half that did not choose."""
    rows = part.tables.get("curve", ())
    unit = rows[0]["unit"] if rows else "tokens"
    points = [
        Point(row["strategy"], row["cost"], row["accuracy"], row["accuracy_low"], row["accuracy_high"])
        for row in rows
        if row["unit"] == unit and row["accuracy"] is not None
    ]
    return _figure(part, "Best split over best vote, other half", 0, f"{unit} per problem", points, is_cost=True)


def training_figure(part: PartResult) -> LineFigure:
    """Give accuracy by iteration of self-improvement, from the largest number of responses per problem."""
    rows = part.tables.get("iterations", ())
    explored = sorted({row["samples"] for row in rows})
    drawn: dict[str, list[Row]] = {}
    for row in rows:
        if row["samples"] == explored[-1]:
            drawn.setdefault(f"{row['kind']}, {row['test']}", []).append(row)
    points = _rates(drawn, "iteration")
    return _figure(part, "Critic in the loop over vanilla, at the end", len(explored) - 1, "iteration", points)


def self_talk_figure(part: PartResult) -> LineFigure:
    """Give the majority vote of k responses of every arm."""
    drawn: dict[str, list[Row]] = {}
    for row in part.tables.get("at_k", ()):
        if row["measure"] == "maj":
            drawn.setdefault(row["arm"], []).append(row)
    return _figure(part, "Vote of two players over that of self-talk", 2, "responses per problem", _rates(drawn, "k"))


DRAWN: Mapping[str, Callable[[PartResult], LineFigure]] = {
    "difficulty": difficulty_figure,
    "scaling": scaling_figure,
    "stability": stability_figure,
    "sequential": sequential_figure,
    "sizes": sizes_figure,
    "critiques": critiques_figure,
    "training": training_figure,
    "self_talk": self_talk_figure,
}
"""The figure of each part that has one."""


def _figure(
    part: PartResult,
    title: str,
    finding: int,
    x: str,
    points: Iterable[Point],
    *,
    is_cost: bool = False,
    bounds: Sequence[str] = (),
) -> LineFigure:
    """Make a figure whose title has the number of a finding, if there is one."""
    drawn, note = list(points), part.left_out or ""
    if len(part.findings) > finding and (found := part.findings[finding]).value is not None:
        has_interval = found.low is not None and found.high is not None
        interval = f" [{100 * found.low:+.1f}, {100 * found.high:+.1f}]" if has_interval else ""  # type: ignore[operator]
        title = f"{title}: {100 * found.value:+.1f} points{interval}"
        note = f"n = {found.n} problems; the paper's statement holds: {found.holds}"
    names = list(dict.fromkeys(point.line for point in drawn))
    return LineFigure(
        title=title, note=note, x=x, y="correct", points=drawn, findings=names[:2], bounds=bounds, is_cost=is_cost
    )


def _rates(lines: Mapping[str, Sequence[Row]], x: str) -> Iterator[Point]:
    """Give the points of lines whose rows hold a rate."""
    for name, rows in lines.items():
        for row in rows:
            if row["value"] is not None:
                yield Point(name, row[x], row["value"], row["low"], row["high"])


def _points(rows: Sequence[Row], x: str, lines: Mapping[str, str], *, bounded: bool = False) -> Iterator[Point]:
    """Give the points of lines, each a column of the rows; a row without a number gives none."""
    for column, name in lines.items():
        for row in rows:
            if row[column] is not None:
                low, high = (row[f"{column}_low"], row[f"{column}_high"]) if bounded else (None, None)
                yield Point(name, row[x], row[column], low, high)
