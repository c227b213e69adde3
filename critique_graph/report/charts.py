"""Three kinds of plot that the pages of several verbs need: rates with intervals, stacked bars, and lines with bands.

The numbers beside a plot are made here too, from the same arguments.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from critique_graph.metrics.intervals import Rate
from critique_graph.report.drawing import (
    LONGEST_NAME,
    Plot,
    bar_labels,
    bars,
    empty,
    label,
    legend,
    percent,
    plain_ticks,
    short,
)
from critique_graph.report.svg import INK, MUTED, RUNS, svg_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NEAREST_LABELS = 0.065
"""Least distance of the names of two lines that end at the same place, as a share of the axis."""


@dataclass(frozen=True)
class Line:
    """A line of a plot; with one point it is a mark."""

    name: str
    points: Sequence[tuple[float, Rate]]
    """Places on the axis, and the rate there; without ends of an interval, no band is drawn."""
    color: str
    is_dashed: bool = False


def rates_plot(
    title: str,
    rates: Sequence[tuple[str, Rate]],
    *,
    name: str,
    unit: str,
    axis: str,
    colors: Sequence[str] = (),
    longest: int = LONGEST_NAME,
) -> Plot:
    """Draw each rate as a point with its interval; rates without data are left out.

    Args:
        title: What was found.
        rates: Name and value of each.
        name: Unique name of the plot.
        unit: `%` for shares, `points` for differences.
        axis: What the axis measures.
        colors: Colour of each rate; by default all have the same.
        longest: Most characters of a name; longer names make the plot wider.
    """
    figure, axes = empty(bars=len(rates), names=longest)
    known = [(position, rate) for position, (_, rate) in enumerate(rates) if rate.value is not None]
    for position, rate in known:
        color = colors[position] if colors else RUNS[0]
        axes.errorbar([percent(rate)], [position], xerr=bars(rate), color=color, capsize=3, fmt="o", markersize=5)
    bar_labels(axes, [short(name, longest) for name, _ in rates], axis)
    axes.margins(x=0.08)
    axes.set_ylim(len(rates) - 0.4, -0.6)
    if unit == "%":
        axes.set_xlim(-2, 102)
    else:
        axes.axvline(0, color=MUTED, linewidth=1)
    sign = "" if unit == "%" else "+"
    rows = [(name, rate.percent(sign=sign, unit=unit), str(rate.n)) for name, rate in rates]
    return Plot(title, svg_of(figure, name), ("", f"{axis.split(',')[0]}, 95 % interval", "n"), rows)


def bars_plot(
    title: str, rows: Sequence[tuple[str, Mapping[str, int]]], colors: Mapping[str, str], *, name: str, axis: str
) -> Plot:
    """Draw a stacked bar of counts for every row.

    Args:
        title: What was found.
        rows: Name of each bar, and its counts by series.
        colors: The series, in their order, with their colours.
        name: Unique name of the plot.
        axis: What is counted.
    """
    from matplotlib.ticker import MaxNLocator

    figure, axes = empty(bars=len(rows))
    longest = max((sum(counts.values()) for _, counts in rows), default=0) or 1
    for position, (_, counts) in enumerate(rows):
        start = 0
        for series, color in colors.items():
            count = counts.get(series, 0)
            axes.barh([position], [count], left=[start], color=color, height=0.62)
            if count > longest * 0.06:
                ink = "#ffffff" if color in RUNS else INK
                axes.text(start + count / 2, position, f"{count:,}", ha="center", va="center", color=ink)
            start += count
        if len(colors) > 1:
            label(axes, f"{start:,}", (start, position), MUTED)
    bar_labels(axes, [short(row) for row, _ in rows], axis)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlim(0, longest * 1.12)
    if len(colors) > 1:
        legend(axes, list(colors.items()), columns=4)
        columns = ("", *colors, "all")
        table = [
            (row, *(f"{counts.get(series, 0):,}" for series in colors), f"{sum(counts.values()):,}")
            for row, counts in rows
        ]
    else:
        columns = ("", axis)
        table = [(row, *(f"{counts.get(series, 0):,}" for series in colors)) for row, counts in rows]
    return Plot(title, svg_of(figure, name), columns, table)


def lines_plot(
    title: str, lines: Sequence[Line], *, name: str, across: str, up: str, is_log: bool = False, has_bands: bool = True
) -> Plot:
    """Draw rates along an axis; every line is named where it ends.

    Args:
        title: What was found.
        lines: The lines, each with at least one point.
        name: Unique name of the plot.
        across: What the axis across measures.
        up: What the axis upwards measures.
        is_log: Whether the axis across is logarithmic.
        has_bands: Whether the intervals are drawn as bands.
    """
    from matplotlib.ticker import MaxNLocator

    figure, axes = empty()
    rows: list[tuple[str, ...]] = []
    ends: list[tuple[float, float, str, str]] = []
    for line in lines:
        known = [(place, rate) for place, rate in line.points if rate.value is not None]
        if not known:
            continue
        places, values = [place for place, _ in known], [percent(rate) for _, rate in known]
        style = "--" if line.is_dashed else "-"
        axes.plot(places, values, style, color=line.color, linewidth=1.6, marker="o", markersize=3)
        if len(known) == 1:
            axes.errorbar(places, values, bars(known[0][1]), color=line.color, capsize=3, alpha=0.5, elinewidth=1)
            axes.plot(places, values, "D", color=line.color, markersize=6)
        elif has_bands and all(rate.low is not None for _, rate in known):
            lows, highs = ([100 * (getattr(rate, end) or 0) for _, rate in known] for end in ("low", "high"))
            axes.fill_between(places, lows, highs, color=line.color, alpha=0.13, linewidth=0)
        ends.append((places[-1], values[-1], line.name, line.color))
        rows += [(line.name, f"{place:,.6g}", _said(rate), str(rate.n)) for place, rate in known]
    if is_log:
        axes.set_xscale("log")
        plain_ticks(axes)
    else:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.margins(x=0.02)
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    _name_ends(axes, ends)
    return Plot(title, svg_of(figure, name), ("line", across, up, "n"), rows)


def _said(rate: Rate) -> str:
    return f"{percent(rate):.1f} %" if rate.low is None else rate.percent()


def _name_ends(axes: "Axes", ends: Sequence[tuple[float, float, str, str]]) -> None:
    """Write the names at the right edge, each at the height of its line's end, and none over another."""
    axes.set_xlim(axes.get_xlim())
    low, high = axes.get_ylim()
    lowest = -float("inf")
    for place, value, name, color in sorted(ends, key=lambda end: end[1]):
        height = max(value, lowest)
        lowest = height + NEAREST_LABELS * (high - low)
        right = axes.transAxes.inverted().transform(axes.transData.transform((place, value)))[0]
        if right < 0.98 or height != value:
            axes.plot(
                [right, 1], [value, height], color=color, linewidth=0.5, alpha=0.6, transform=axes.get_yaxis_transform()
            )
        axes.annotate(
            short(name),
            (1, height),
            xycoords=("axes fraction", "data"),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            color=color,
            fontsize=9,
            parse_math=False,
            annotation_clip=False,
        )
    axes.set_ylim(low, max(high, lowest - NEAREST_LABELS * (high - low) / 2))
