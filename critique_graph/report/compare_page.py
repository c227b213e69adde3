"""The page of a comparison: strategies by accuracy and cost, and the pool of every problem."""

from collections.abc import Iterator
from pathlib import Path

from critique_graph.compare.comparison import LEADS, Comparison, StrategyFigures
from critique_graph.compare.equal_cost import compare_traces
from critique_graph.compare.strategies import loop_end
from critique_graph.core.async_node import wait_for
from critique_graph.core.schema import Trace
from critique_graph.metrics.intervals import Rate
from critique_graph.report.charts import Line, lines_plot, rates_plot
from critique_graph.report.drawing import Plot, styled
from critique_graph.report.layout import (
    Card,
    Filter,
    Look,
    Page,
    Table,
    points_of,
    rate_of,
    recorded_settings,
    settings_of,
)
from critique_graph.report.parts import Looked, cost_table, outcome_figures, problems_of, run_data
from critique_graph.report.problems import tree_of
from critique_graph.report.read_run import ReportedRun, read_run, read_trace
from critique_graph.report.svg import MUTED, RUNS
from critique_graph.tasks.shipped import read_task
from critique_graph.tasks.task import MATH

EFFECTS = {"gains": "makes more chains correct", "loses": "makes fewer chains correct", "same": "changes no count"}


def compare_page(folder: Path) -> Page:
    """Make the page of a folder of `compare`; raises as `read_run` and `compare_traces` do."""
    run = read_run(folder, "compare")
    problems = problems_of(run, "compare", _look)
    traces = [
        trace for row in run.finished.rows() if row.outcome.status == "done" and (trace := read_trace(row, Trace))
    ]
    found = wait_for(
        compare_traces(
            traces,
            grader=read_task(run.manifest["configuration"].get("task", MATH.name)).grader,
            seconds=run.finished.seconds,
            run=str(folder),
            unfinished=sum(run.finished.outcomes.values()) - len(traces),
            state=run.finished.state,
            reason=run.finished.reason,
            seed=int(run.manifest["configuration"].get("seed", 0)),
        )
    )
    del traces
    name = folder.resolve().name
    with styled():
        plots = list(_plots(found))
    return Page(
        verb="compare",
        names=[name],
        cards=[_card(name, run, found, problems.models)],
        figures=[(figure, [value]) for figure, value in _figures(run, found)],
        plots=plots,
        tables=[_strategies(found), _against_majority(found), cost_table(run)],
        settings=settings_of([list(recorded_settings(run.manifest, problems.models))]),
        data=run_data(name, found, run.gaps),
        filters=[Filter("the critic loop", list(EFFECTS.items()))],
        rows=problems.rows,
        blocks=problems.blocks,
    )


def _look(trace: Trace) -> Looked:
    before = sum(bool(chain.response and chain.response.is_correct) for chain in trace.chains)
    ends = [loop_end(chain).response for chain in trace.chains]
    after = sum(bool(response and response.is_correct) for response in ends)
    effect, look = ("gains", "good") if after > before else ("loses", "bad") if after < before else ("same", "")
    chips: list[tuple[str, Look]] = [
        (f"{before} of {len(ends)} correct", ""),
        (f"{after} after the loop", look),  # type: ignore[list-item]  # one of the looks
    ]
    return Looked([(effect,)], chips, tree_of(trace), trace.answer)


def _card(name: str, run: ReportedRun, found: Comparison, models: dict[str, str]) -> Card:
    loop = found.strategies.get("critic_loop")
    best = loop or found.strategies["majority"]
    return Card(
        name,
        f"{models.get('actor', 'no actor')} judged by {models.get('critic', 'nobody')}",
        best.accuracy.percent().split("[")[0],
        f"correct with {best.label}, {_cost(best)} per problem",
        [(found.verdict[:1].upper() + found.verdict[1:], "")],
        [],
        run.gaps,
    )


def _cost(figures: StrategyFigures) -> str:
    tokens = figures.tokens_per_problem
    return f"{figures.calls_per_problem:.1f} calls" if tokens is None else f"{tokens:,.0f} tokens"


def _figures(run: ReportedRun, found: Comparison) -> Iterator[tuple[str, str]]:
    yield from outcome_figures(run)
    yield "compared", found.size
    if found.harm is not None and found.helpfulness is not None:
        yield "correct answers that the loop makes wrong", rate_of(found.harm)
        yield "wrong answers that the loop makes correct", rate_of(found.helpfulness)
    if found.critic is not None:
        yield "verdicts as the reference", rate_of(found.critic.discriminability)
        yield "verdicts on correct responses", rate_of(found.critic.discriminability_on_right)
        yield "verdicts on wrong responses", rate_of(found.critic.discriminability_on_wrong)
    if found.break_even_tokens is not None:
        yield "the loops' vote breaks even at", f"{found.break_even_tokens:,.0f} tokens per problem"
    if found.majority_tokens_to_match is not None:
        yield "majority vote is as accurate as one loop at", f"{found.majority_tokens_to_match:,.0f} tokens per problem"
    yield "tokens of the whole pool", f"{found.tokens:,}"


def _plots(found: Comparison) -> Iterator[Plot]:
    unit = "calls" if any(its.tokens_per_problem is None for its in found.strategies.values()) else "tokens"
    lines = [
        Line(its.label, list(_points(its, unit)), _color(name, its), is_dashed=its.is_upper_bound)
        for name, its in found.strategies.items()
    ]
    yield lines_plot(
        _gain_in_words(found),
        lines,
        name="comparison",
        across=f"{unit} per problem (log scale)",
        up="accuracy, %",
        is_log=True,
    )
    gains = [
        (its.label, matched.gain)
        for its in found.strategies.values()
        if not its.is_upper_bound and (matched := its.against_majority["tokens"] or its.against_majority["calls"])
    ]
    if gains:
        yield rates_plot(
            f"Against majority vote at equal {unit}",
            gains,
            name="gains",
            unit="points",
            axis="difference in points, paired",
        )


def _points(figures: StrategyFigures, unit: str) -> Iterator[tuple[float, Rate]]:
    for point in figures.curve:
        cost = getattr(point, f"{unit}_per_problem")
        is_chosen = point.chains == figures.chains
        bare = Rate(value=point.accuracy, low=None, high=None, n=figures.accuracy.n)
        yield cost, figures.accuracy if is_chosen else bare


def _color(name: str, figures: StrategyFigures) -> str:
    """Give the colour of strategies without a critic, of those with one, or of upper bounds."""
    if figures.is_upper_bound:
        return MUTED
    return RUNS[1] if name.startswith("critic") or name == "sequential" else RUNS[0]


def _gain_in_words(found: Comparison) -> str:
    loop = found.strategies.get("critic_loop")
    matched = None if loop is None else loop.against_majority["tokens"] or loop.against_majority["calls"]
    if matched is None:
        return "Accuracy against cost"
    low, high = matched.gain.low or 0, matched.gain.high or 0
    word = "beats" if low > 0 else "loses to" if high < 0 else "cannot be told from"
    return f"The critic loop {word} majority vote at equal cost: {matched.gain.percent(sign='+', unit='points')}"


def _strategies(found: Comparison) -> Table:
    rows = [
        (
            its.label + (" *" if its.is_upper_bound else ""),
            str(its.chains),
            its.accuracy.percent(),
            f"{its.calls_per_problem:.1f}",
            "?" if its.tokens_per_problem is None else f"{its.tokens_per_problem:,.0f}",
            "?" if its.seconds_per_problem is None else f"{its.seconds_per_problem:.3g}",
        )
        for its in found.strategies.values()
    ]
    note = f"n = {found.problems} problems. * upper bound: chosen by the reference answer."
    return Table("Strategies", ("strategy", "chains", "accuracy", "calls", "tokens", "seconds"), rows, note=note)


def _against_majority(found: Comparison) -> Table:
    rows = [
        (
            its.label + (" *" if its.is_upper_bound else ""),
            *("-" if (at := its.against_majority[axis]) is None else points_of(at.gain) for axis in LEADS),
        )
        for its in found.strategies.values()
        if any(its.against_majority.values())
    ]
    columns = ("strategy", *(f"equal {axis}" for axis in LEADS))
    return Table("Against majority vote, paired", columns, rows)
