"""`critique-graph choose`: the best of several runs within a budget."""

from pathlib import Path
from typing import Annotated

from pydantic import JsonValue
from rich.console import Group
from rich.table import Table

from critique_graph.choose.choose import BudgetChoice, Choice, Unit, choose_run
from critique_graph.core.errors import InputError
from critique_graph.core.settings import BUDGET, OUTPUT, PROBLEMS
from critique_graph.metrics.intervals import Rate
from critique_graph.output.figures import LineFigure, Point, check_figure, write_figure
from critique_graph.output.terminal import Flag, log, plain, print_json, stdout


def choose(
    *runs: Path,
    budget: Annotated[tuple[float, ...], BUDGET] = (),
    unit: Annotated[Unit, BUDGET] = "tokens",
    seed: Annotated[int, PROBLEMS] = 0,
    plot: Annotated[Path | None, OUTPUT] = None,
    json: Annotated[Flag, OUTPUT] = False,
) -> int:
    """Choose the best of several runs within a budget, by one half of their problems; measure it on the other half.

    The best of many is in part the luckiest: only problems that had no say in the choice say how good it is.

    Args:
        runs: Run folders of `run`, on the same problems, e.g. with other numbers of samples, critiques and rounds.
        budget: Tokens, calls or seconds per problem that a run may take; may be given several times. Empty: three,
            those of the cheapest third of the runs, of two thirds and of all.
        unit: What a budget counts: `tokens`, `calls`, or `seconds`, a problem's share of the time of its run, in which
            several calls are in flight at once.
        seed: Seed by which the problems are halved.
        plot: Draw the accuracy of each strategy's best run on the other half against its cost, as SVG and PNG with the
            numbers as CSV, all under the name of this file; it ends in .svg, .png or .pdf, which is then written too
            (needs the extra `report`).
        json: Print the whole result as one JSON object.
    """
    if plot is not None:
        check_figure(plot)
    if any(each <= 0 for each in budget):
        raise InputError("--budget must be above 0.")
    choice = choose_run(runs, budgets=budget, unit=unit, seed=seed)
    if plot is not None:
        written = write_figure(choice_figure(choice), plot)
        log.print(plain(f"written: {', '.join(map(str, written))}"))
    if json:
        print_json(choice.model_dump(mode="json"))
    else:
        stdout.print(choice_table(choice))
    return 0


def choice_table(choice: Choice) -> Group:
    """Lay out the choice of every budget, and say what it comes to."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(f"{choice.unit} a problem", justify="right", style="bold", no_wrap=True)
    for name in ("best run", "when chosen", "other half", "no critic"):
        table.add_column(name, justify="left" if name == "best run" else "right", no_wrap=True)
    for found in choice.budgets:
        best, other = found.best, found.without_critic
        table.add_row(
            _cost(found.budget),
            "none takes so little" if best is None else plain(best.run),
            "-" if best is None else _value(best.when_chosen),
            "-" if best is None else _value(best.accuracy),
            "-" if other is None else _value(other.accuracy),
        )
    lines = [plain(_verdict(found, choice), style="bold") for found in choice.budgets if found.best is not None]
    chosen = dict.fromkeys(found.best.run for found in choice.budgets if found.best is not None)
    settings = [plain(f"{run}: {_in_words(choice.runs[run])}") for run in chosen]
    halves = f"{choice.problems} problems, of which {choice.problems // 2} choose, seed {choice.seed}"
    return Group(table, plain(f"{len(choice.runs)} runs · {halves}"), *settings, *lines)


def choice_figure(choice: Choice) -> LineFigure:
    """Give what is drawn: a line for each strategy, with the accuracy of its best run on the other half."""
    held_out = choice.problems - choice.problems // 2
    return LineFigure(
        title="The best run of each strategy, chosen on other problems",
        note=f"{held_out} problems; the runs were chosen on {choice.problems // 2} others. Intervals are in the CSV",
        x=f"{choice.unit} per problem",
        y="accuracy",
        points=tuple(
            Point(point.strategy, point.best.cost, rate.value, rate.low, rate.high)
            for point in choice.curve
            if (rate := point.best.accuracy).value is not None
        ),
        is_cost=True,
    )


def _verdict(found: BudgetChoice, choice: Choice) -> str:
    best, other = found.best, found.without_critic
    assert best is not None
    said = f"At {_cost(found.budget)} {choice.unit} a problem {best.run} is correct in {best.accuracy.percent()}"
    if other is None or found.difference is None:
        return f"{said}; no run without a critic takes so little."
    if other.run == best.run:
        return f"{said}; it is a run without a critic."
    gain = found.difference.percent(sign="+", unit="points")
    return f"{said}, {gain} over the best without a critic ({other.run}), n = {found.difference.n}."


def _cost(cost: float) -> str:
    return f"{cost:,.0f}" if cost >= 10 else f"{cost:.2g}"


def _value(rate: Rate) -> str:
    return "-" if rate.value is None else f"{rate.value:.1%}".replace("%", " %")


def _in_words(settings: dict[str, JsonValue]) -> str:
    return ", ".join(f"{name} {value}" for name, value in settings.items() if value is not None)
