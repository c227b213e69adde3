"""Writes the names of a figure's lines where they end, apart from one another and beside the lines."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

FONT_SIZE = 8.5
_GAP = 7.0
"""Points between the end of a line and its name."""
_FAR = 10.0
"""Points up or down beyond which a thin stroke leads from the end of the line to its name."""


class End(NamedTuple):
    """A line, and what is written at its end."""

    name: str
    line: "Line2D"
    is_finding: bool


class _Box(NamedTuple):
    left: float
    low: float
    right: float
    high: float

    def overlap(self, other: "_Box") -> float:
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.high, other.high) - max(self.low, other.low)
        return max(0.0, width) * max(0.0, height)

    def holds(self, dot: tuple[float, float]) -> bool:
        return self.left <= dot[0] <= self.right and self.low <= dot[1] <= self.high


class _Place(NamedTuple):
    """Where a name stands, in points from the end of its line."""

    x: float
    y: float
    side: str


def label_ends(axes: "Axes", ends: Sequence[End]) -> None:
    """Write the name of every line at its last point, where it hides least; lines of the finding choose first.

    The limits and scales of the axes must be final.
    """
    figure: Any = axes.figure
    figure.draw_without_rendering()
    pixels = figure.dpi / 72
    page = _Box(0, 0, *figure.bbox.size)
    ink = [dot for end in ends for dot in _dots(axes, end.line)]
    taken: list[_Box] = []
    for end in sorted(ends, key=lambda end: (not end.is_finding, -_path(axes, end.line)[-1][0])):
        x, y = _path(axes, end.line)[-1]
        text = axes.annotate(
            end.name,
            (end.line.get_xdata()[-1], end.line.get_ydata()[-1]),  # type: ignore[index]
            (0, 0),
            textcoords="offset points",
            va="center",
            color=end.line.get_color(),
            fontsize=FONT_SIZE,
            weight="bold" if end.is_finding else "normal",
            parse_math=False,
            zorder=5,
        )
        size = text.get_window_extent()

        def box(place: _Place, x: float = x, y: float = y, size: Any = size) -> _Box:
            left = x + place.x * pixels - {"left": 0, "center": size.width / 2, "right": size.width}[place.side]
            half = 0.43 * size.height  # letters do not fill their line
            return _Box(left, y + place.y * pixels - half, left + size.width, y + place.y * pixels + half)

        best = min(_places(), key=lambda place: _cost(place, box(place), page, ink, taken))
        taken.append(box(best))
        text.set(position=(best.x, best.y), ha=best.side)
        if abs(best.y) > _FAR:
            axes.annotate(
                "",
                (end.line.get_xdata()[-1], end.line.get_ydata()[-1]),  # type: ignore[index]
                xytext=(best.x, best.y),
                textcoords="offset points",
                arrowprops={"arrowstyle": "-", "color": end.line.get_color(), "linewidth": 0.5, "shrinkB": 3},
            )


def _places() -> Iterator[_Place]:
    """Give all places, the best ones first."""
    for step in range(12):
        for y in (5.0 * step, -5.0 * step) if step else (0.0,):
            yield _Place(_GAP, y, "left")
    for y in (10.0, -10.0, 15.0, -15.0):
        yield _Place(0, y, "center")
        yield _Place(-_GAP, y, "right")
    yield _Place(-_GAP, 0, "right")


def _cost(place: _Place, box: _Box, page: _Box, ink: Sequence[tuple[float, float]], taken: Sequence[_Box]) -> float:
    area = (box.right - box.left) * (box.high - box.low)
    cost = abs(place.y) / 5 + {"left": 0, "center": 6, "right": 6}[place.side]
    cost += 3 * sum(map(box.holds, ink))
    cost += 1000 * sum(box.overlap(other) for other in taken) / area
    return cost + 1000 * (1 - box.overlap(page) / area)


def _path(axes: "Axes", line: "Line2D") -> list[tuple[float, float]]:
    """Give the points of a line in pixels."""
    return [tuple(point) for point in axes.transData.transform(line.get_xydata())]


def _dots(axes: "Axes", line: "Line2D") -> Iterator[tuple[float, float]]:
    """Give the pixels of a line, a few apart; points, which have markers, count three times."""
    path = _path(axes, line)
    for point in path:
        yield from (point, point, point)
    for (x, y), (to_x, to_y) in pairwise(path):
        steps = int(max(abs(to_x - x), abs(to_y - y)) / 4)
        yield from ((x + (to_x - x) * i / steps, y + (to_y - y) * i / steps) for i in range(1, steps))
