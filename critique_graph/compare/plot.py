"""Draws what `compare` found: accuracy against cost, a line for every vote, a mark for every other strategy."""

from pathlib import Path

from critique_graph.compare.comparison import Comparison
from critique_graph.core.errors import InputError, MissingDependencyError

FORMATS = (".svg", ".png", ".pdf")


def check_plot(path: Path) -> None:
    """Check that a picture can be drawn, before its content is computed.

    Raises:
        InputError: The ending of the file is not in `FORMATS`, or its folder does not exist.
        MissingDependencyError: matplotlib is not installed.
    """
    if path.suffix.lower() not in FORMATS:
        raise InputError(f"--plot {path}: the ending must be one of {', '.join(FORMATS)}.")
    if not path.parent.is_dir():
        raise InputError(f"--plot {path}: there is no folder {path.parent}.")
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError("matplotlib", extra="report", purpose="--plot") from error


def plot_comparison(comparison: Comparison, path: Path) -> None:
    """Draw accuracy against tokens per problem, or against calls if tokens are unknown; the ending sets the format.

    Upper bounds, which look at the reference, are dashed. Every strategy has one interval, that of its `accuracy`.

    Raises:
        InputError, MissingDependencyError: As in `check_plot`.
    """
    check_plot(path)
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    unit = "calls" if any(s.tokens_per_problem is None for s in comparison.strategies.values()) else "tokens"
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    for index, figures in enumerate(comparison.strategies.values()):
        costs = [getattr(point, f"{unit}_per_problem") for point in figures.curve]
        color, line = colormaps["tab20"](2 * index % 20 + index // 10), "--" if figures.is_upper_bound else "-"
        axes.plot(
            costs,
            [100 * point.accuracy for point in figures.curve],
            line,
            color=color,
            marker="o" if len(costs) > 1 else "D",
            markersize=4 if len(costs) > 1 else 7,
            label=figures.label,
        )
        rate = figures.accuracy
        if rate.value is not None and rate.low is not None and rate.high is not None:
            below, above = 100 * (rate.value - rate.low), 100 * (rate.high - rate.value)
            cost = getattr(figures, f"{unit}_per_problem")
            axes.errorbar(cost, 100 * rate.value, [[below], [above]], color=color, alpha=0.3, capsize=3)
    axes.set_xlabel(f"{unit} per problem")
    axes.set_ylabel("accuracy, %")
    axes.set_title(comparison.size)
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    figure.savefig(path)
