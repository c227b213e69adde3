"""What the plots of a page share: their style, their empty axes, and the words on them.

matplotlib draws, and its SVG is put into the page, with the page's own colours and letters (`svg.py`).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from critique_graph.metrics.intervals import Rate
from critique_graph.output.terminal import escaped
from critique_graph.report.svg import GRID, INK, MUTED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIZE = (5.0, 3.1)
"""Inches; small, so that letters can still be read where a phone shrinks the plot."""
LONGEST_NAME = 22
"""Most characters of a name in a plot."""


@dataclass(frozen=True)
class Plot:
    """A plot, and the numbers that it shows."""

    title: str
    """Says what was found."""
    svg: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


@contextmanager
def styled() -> Iterator[None]:
    """Draw in the page's style."""
    import matplotlib

    style: dict[Any, Any] = {
        "svg.fonttype": "none",
        "svg.hashsalt": "critique-graph",
        "font.size": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.edgecolor": MUTED,
        "axes.labelcolor": MUTED,
        "xtick.color": MUTED,
        "ytick.color": MUTED,
        "text.color": INK,
        "grid.color": GRID,
        "axes.grid": True,
        "axes.axisbelow": True,
    }
    with matplotlib.rc_context(style):
        yield


def percent(rate: Rate) -> float:
    """Give the value in percent, 0 without data."""
    return 100 * (rate.value or 0)


def bars(rate: Rate) -> list[list[float]]:
    """Give the lengths of the interval below and above the value, in percent."""
    value = rate.value or 0
    return [[100 * (value - (rate.low or 0))], [100 * ((rate.high or 0) - value)]]


def empty(*, bars: int = 0, names: int = LONGEST_NAME) -> "tuple[Figure, Axes]":
    """Give empty axes: high enough for a number of bars, and wide enough for names of so many characters."""
    from matplotlib.figure import Figure

    size = (SIZE[0] + 0.07 * (names - LONGEST_NAME), 1.5 + 0.42 * bars) if bars else SIZE
    figure = Figure(figsize=size, layout="constrained")
    figure.patch.set_visible(False)
    axes = figure.subplots()
    axes.patch.set_visible(False)
    return figure, axes


def label(axes: "Axes", text: str, place: tuple[float, float], color: str, *, is_left: bool = False) -> None:
    """Write at a place what ends there: on its right, or above it on the left."""
    axes.annotate(
        text,
        place,
        xytext=(-5, 5) if is_left else (7, 0),
        textcoords="offset points",
        ha="right" if is_left else "left",
        va="bottom" if is_left else "center",
        color=color,
        fontsize=9,
        parse_math=False,
    )


def bar_labels(axes: "Axes", names: Sequence[str], label: str) -> None:
    """Name bars on the left, the first one on top."""
    axes.set_yticks(range(len(names)), list(names), parse_math=False)
    axes.invert_yaxis()
    axes.set_xlabel(label)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False)
    axes.margins(x=0)


def legend(axes: "Axes", entries: Sequence[tuple[str, str]], *, columns: int) -> None:
    """Say above the axes which colour means what."""
    from matplotlib.patches import Patch

    axes.legend(
        handles=[Patch(color=color, label=name) for name, color in entries],
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=columns,
        frameon=False,
        fontsize=9,
        borderaxespad=0.2,
        handlelength=1,
    )


def short(name: str, longest: int = LONGEST_NAME) -> str:
    """Give a name that a plot has room for; the table below the plot has the whole one."""
    name = escaped(name)
    return name if len(name) <= longest else f"{name[:7]}…{name[-longest + 8 :]}"


def plain_ticks(axes: "Axes") -> None:
    """Write numbers such as 200 and 1,000 on a log axis, in place of powers of ten."""
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
