"""Line figures as a paper prints them: an SVG and a PNG, and the numbers beside them as CSV.

The title says what was found. Lines are named where they end, and differ in colour, dashes and marker at once, so that
greyscale and colour blindness leave them apart. Intervals of the lines that the title speaks of are bands; those of all
others are in the CSV.
"""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any, NamedTuple

from critique_graph.core.errors import InputError, MissingDependencyError
from critique_graph.core.files import write_atomically
from critique_graph.output.labels import End, label_ends
from critique_graph.output.terminal import escaped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ENDINGS = (".svg", ".png", ".pdf")
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Colours of Okabe and Ito, which colour-blind people tell apart, without the yellow that white swallows."""
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (6, 1.5, 1, 1.5)), (0, (3, 1)), (0, (8, 1.5, 1, 1.5, 1, 1.5)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h")
BOUND, BOUND_DASHES = "#7f7f7f", (0, (1, 1))
SIZE = (7.6, 4.6)
"""Inches."""
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # letters stay letters, which can be searched and edited
    "svg.hashsalt": "critique-graph",
    "pdf.fonttype": 42,
    "font.size": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.6,
}


class Point(NamedTuple):
    """A point of a line: a row of the CSV."""

    line: str
    x: float
    y: float
    low: float | None = None
    high: float | None = None
    """The interval of `y`."""


@dataclass(frozen=True)
class LineFigure:
    """What a figure shows. The points of a line stand together, in the order in which they are joined."""

    title: str
    """Says what was found."""
    note: str
    """What was measured, on how much; stands under the title."""
    x: str
    """Name of the horizontal axis, and of its column."""
    y: str
    points: Sequence[Point]
    findings: Sequence[str] = ()
    """Lines that the title speaks of: they are thick, and have bands. No more than three can be read."""
    bounds: Sequence[str] = ()
    """Lines that bound the others, drawn in grey."""
    is_cost: bool = False
    """Whether the horizontal axis is a cost, whose doublings are equally far apart."""
    is_share: bool = True
    """Whether the values are shares of one, which are drawn in percent."""

    def lines(self) -> dict[str, list[Point]]:
        """Give the points of every line, those of the findings first."""
        found: dict[str, list[Point]] = {line: [] for line in self.findings}
        for point in self.points:
            found.setdefault(point.line, []).append(point)
        return found


def check_figure(path: Path) -> None:
    """Check that a figure can be drawn, before its content is computed.

    Raises:
        InputError: The ending of the file is not in `ENDINGS`, its folder is missing, or another's CSV is in the way.
        MissingDependencyError: matplotlib is not installed.
    """
    if path.suffix.lower() not in ENDINGS:
        raise InputError(f"--plot {path}: the ending must be one of {', '.join(ENDINGS)}.")
    if not path.parent.is_dir():
        raise InputError(f"--plot {path}: there is no folder {path.parent}.")
    numbers = path.with_suffix(".csv")
    if numbers.is_file() and not _is_of_figure(numbers):
        raise InputError(
            f"--plot {path}: its numbers would replace {numbers}, which is of no figure; use another name."
        )
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError("matplotlib", extra="report", purpose="--plot") from error


def write_figure(figure: LineFigure, path: Path) -> list[Path]:
    """Write a figure as SVG and PNG and its numbers as CSV, all under the name of `path`; as PDF too if it ends so.

    Returns:
        The files; those that existed are replaced.

    Raises:
        InputError, MissingDependencyError: As in `check_figure`.
        RunError: A file cannot be written.
    """
    check_figure(path)
    import matplotlib

    endings = [".svg", ".png", *([path.suffix] if path.suffix.lower() == ".pdf" else [])]
    written = []
    with matplotlib.rc_context(STYLE):
        drawn = draw_figure(figure)
        for ending in endings:
            picture, kind = io.BytesIO(), ending[1:].lower()
            dates = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}  # equal numbers give equal files
            metadata = {"Title": escaped(figure.title), **dates.get(kind, {})}
            drawn.savefig(picture, format=kind, dpi=200, metadata=metadata)
            written.append((path.with_suffix(ending), picture.getvalue()))
    written.append((path.with_suffix(".csv"), "".join(_csv(figure)).encode()))
    for file, content in written:
        write_atomically(file, [content])
    return [file for file, _ in written]


def draw_figure(figure: LineFigure) -> "Figure":
    """Draw a figure; its lines have the points of `figure.lines()`, and their names as `gid`."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    drawn = Figure(figsize=SIZE)
    FigureCanvasAgg(drawn)
    top = 0.985
    for text, letters, height, size, color in (
        (figure.title, 84, 0.053, 11.5, "#000000"),
        (figure.note, 112, 0.042, 8.5, "#555555"),
    ):
        weight = "bold" if text == figure.title else "normal"
        for line in wrap(escaped(text), letters):
            drawn.text(0.012, top, line, va="top", fontsize=size, weight=weight, color=color, parse_math=False)
            top -= height
    axes = drawn.add_axes((0.085, 0.115, 0.725, top - 0.03 - 0.115))
    ends = [_line(axes, figure, name, points, number) for number, (name, points) in enumerate(figure.lines().items())]
    _axes(axes, figure)
    label_ends(axes, ends)
    return drawn


def _line(axes: "Axes", figure: LineFigure, name: str, points: Sequence[Point], number: int) -> End:
    is_finding, is_bound = name in figure.findings, name in figure.bounds
    others = COLORS[len(figure.findings) :] or COLORS
    color = COLORS[number % len(COLORS)] if is_finding else others[(number - len(figure.findings)) % len(others)]
    color = BOUND if is_bound else color
    dashes = BOUND_DASHES if is_bound else DASHES[(number + number // len(COLORS)) % len(DASHES)]
    between = max(1, len(points) // 10)
    (line,) = axes.plot(
        [point.x for point in points],
        [point.y for point in points],
        linestyle=dashes,
        color=color,
        linewidth=2.2 if is_finding else 1.1,
        marker=MARKERS[number % len(MARKERS)],
        markevery=((len(points) - 1) % between, between),
        markersize=(5 if is_finding else 3.5) if len(points) > 1 else 6,
        markeredgecolor="white",
        markeredgewidth=0.5,
        zorder=4 if len(points) == 1 else 3 if is_finding else 2,
        gid=escaped(name),
    )
    bounded = [(point.x, point.low, point.high) for point in points if point.low is not None and point.high is not None]
    if is_finding and len(bounded) > 1:
        at, lows, highs = zip(*bounded, strict=True)
        axes.fill_between(at, lows, highs, color=color, alpha=0.12, linewidth=0, zorder=1)
        for edge in (lows, highs):
            axes.plot(at, edge, color=color, linestyle=dashes, linewidth=0.6, alpha=0.6, zorder=1)
    elif is_finding and bounded:
        axes.vlines(*bounded[0], color=color, linewidth=1.2, alpha=0.6, zorder=1)
    return End(escaped(name), line, is_finding)


def _axes(axes: "Axes", figure: LineFigure) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

    axes.set_xlabel(figure.x + " (log scale)" * figure.is_cost, parse_math=False)
    axes.set_ylabel(figure.y + ", %" * figure.is_share, parse_math=False)
    axes.margins(x=0.03, y=0.06)
    if figure.is_cost:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
    elif all(float(point.x).is_integer() for point in figure.points):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if figure.is_share:
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.3g}"))


def _csv(figure: LineFigure) -> Iterable[str]:
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(("line", figure.x, figure.y, "low", "high"))
    for point in figure.points:
        writer.writerow((_no_formula(point.line), *point[1:]))
    yield table.getvalue()


def _is_of_figure(file: Path) -> bool:
    with file.open("rb") as opened:
        return opened.read(5) == b"line,"


def _no_formula(text: str) -> str:
    """Give a cell that a spreadsheet reads as text."""
    return "'" + text if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
