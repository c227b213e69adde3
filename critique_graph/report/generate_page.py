"""The page of critique data: the funnel, and every path with its critique, its trial, and why it was dropped."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from critique_graph.core.paths import FUNNEL_STAGES, PATH_SOURCES, FunnelStage, ReasoningPath, Trial
from critique_graph.core.schema import Record
from critique_graph.generate.dataset import find_dataset, read_dataset
from critique_graph.generate.funnel import GenerationSummary, PathsTrace, summarise_paths
from critique_graph.metrics.intervals import independent_difference, wilson
from critique_graph.report.charts import bars_plot, rates_plot
from critique_graph.report.drawing import Plot, styled
from critique_graph.report.formulas import MathElement, find_formulas
from critique_graph.report.layout import Card, Filter, Page, Table, rate_of, recorded_settings, settings_of
from critique_graph.report.parts import Looked, cost_table, outcome_figures, problems_of, run_data
from critique_graph.report.problems import ShownResponse, critique_texts, problem_texts, shown_response
from critique_graph.report.read_run import ReportedRun, read_run
from critique_graph.report.svg import RUNS

KEPT = "kept"
STAGES: dict[FunnelStage, str] = {"paths": "written", "annotate": "to annotate", "filter": "to filter"}


class PathsTree(Record):
    """All paths of a problem, and what is worked out about their responses."""

    trace: PathsTrace
    """Without its settings."""
    responses: tuple[ShownResponse | None, ...]
    lifts: tuple[str | None, ...]
    """By how much the critique lifts the share of correct refinements; None where they were not tried both ways."""
    formulas: dict[str, MathElement]


def generate_page(folder: Path) -> Page:
    """Make the page of a folder of `generate`; raises as `read_run` does."""
    run = read_run(folder, "generate")
    dataset = find_dataset(folder)
    count = 0 if dataset is None else sum(1 for _ in read_dataset(folder))
    problems = problems_of(run, "generate", _look)
    summary = summarise_paths(run.finished, dataset=str(folder / "dataset"), dataset_rows=count)
    name = folder.resolve().name
    reasons = sorted({part[1] for row in problems.rows for part in row.cells[0].parts})  # type: ignore[union-attr]
    with styled():
        plots = list(_plots(summary))
    return Page(
        verb="generate",
        names=[name],
        cards=[_card(name, run, summary, problems.models)],
        figures=[(figure, [value]) for figure, value in _figures(run, summary)],
        plots=plots,
        tables=[_funnel_table(summary), *_cost_by_strategy(summary), cost_table(run)],
        settings=settings_of([list(recorded_settings(run.manifest, problems.models))]),
        data=run_data(name, summary, run.gaps),
        filters=[
            Filter("strategy", [(strategy, strategy) for strategy in PATH_SOURCES]),
            Filter("outcome", [(reason, reason.replace("_", " ")) for reason in reasons]),
        ],
        rows=problems.rows,
        blocks=problems.blocks,
    )


def _look(trace: PathsTrace) -> Looked:
    kept = sum(path.drop is None for path in trace.paths)
    dropped = len(trace.paths) - kept
    tree = PathsTree(
        trace=trace.model_copy(update={"settings": {}}),
        responses=tuple(path.response and shown_response(path.response) for path in trace.paths),
        lifts=tuple(path.trial and _lift(path.trial) for path in trace.paths),
        formulas=find_formulas(_texts(trace)),
    )
    parts = [(path.strategy, path.drop.reason if path.drop else KEPT) for path in trace.paths]
    return Looked(parts, [(f"{kept} kept", "good" if kept else ""), (f"{dropped} dropped", "")], tree)


def _lift(trial: Trial) -> str | None:
    without = wilson(trial.right_without, trial.tried_without)
    lift = independent_difference(without, wilson(trial.right_with, trial.tried))
    return None if lift.value is None else lift.percent(sign="+", unit="points")


def _texts(trace: PathsTrace) -> Iterator[str]:
    yield from problem_texts(trace.problem)
    for path in trace.paths:
        yield from _path_texts(path)


def _path_texts(path: ReasoningPath) -> Iterator[str]:
    yield path.response.text if path.response else ""
    if path.critique is not None:
        yield from critique_texts(path.critique)
    yield (path.trial and path.trial.refinement) or ""


def _card(name: str, run: ReportedRun, summary: GenerationSummary, models: dict[str, str]) -> Card:
    lines = []
    if summary.right_with.n:
        lines.append(("Refinements of flawed paths that are correct, with the critique: ", rate_of(summary.right_with)))
        lines.append(("Without it: ", rate_of(summary.right_without)))
    written = sum(passage.in_ for passage in summary.funnel["paths"].values())
    return Card(
        name,
        f"{models.get('actor', 'no actor')} annotated by {models.get('annotator', 'nobody')}",
        f"{summary.kept:,}",
        f"critiques kept of {written:,} paths",
        lines,
        [(f"{count:,} {strategy}", "good") for strategy, count in summary.kept_by_strategy.items() if count],
        run.gaps,
    )


def _figures(run: ReportedRun, summary: GenerationSummary) -> Iterator[tuple[str, str]]:
    yield from outcome_figures(run)
    yield "kept critiques", f"{summary.kept:,}, of which {summary.rows:,} are in the data set"
    yield "by verdict", ", ".join(f"{count:,} {verdict}" for verdict, count in summary.kept_by_verdict.items())
    for name, rate in (
        ("first wrong step named, where it is known", summary.located),
        ("critiques that mention the hints", summary.leaked),
        ("correct refinements with the critique", summary.right_with),
        ("correct refinements without it", summary.right_without),
    ):
        if rate.n:
            yield name, rate_of(rate)
    yield "tokens", f"{summary.tokens['total']:,}"
    if summary.tokens_per_kept is not None:
        yield (
            "for each kept critique",
            (f"{summary.tokens_per_kept:,.0f} tokens, {summary.actor_calls_per_kept or 0:,.1f} calls of the actor"),
        )


def _plots(summary: GenerationSummary) -> Iterator[Plot]:
    stages = [(STAGES[stage], {of: passage.in_ for of, passage in summary.funnel[stage].items()}) for stage in STAGES]
    kept = {str(of): count for of, count in summary.kept_by_strategy.items()}
    written = sum(stages[0][1].values())
    yield bars_plot(
        f"{summary.kept:,} of {written:,} paths were kept",
        [*((name, {str(of): count for of, count in counts.items()}) for name, counts in stages), (KEPT, kept)],
        dict(zip(PATH_SOURCES, RUNS, strict=False)),
        name="funnel",
        axis="paths",
    )
    dropped: Counter[str] = Counter()
    for by_strategy in summary.funnel.values():
        for passage in by_strategy.values():
            dropped.update(passage.dropped)
    if dropped:
        most, count = dropped.most_common(1)[0]
        yield bars_plot(
            f"{count:,} of {dropped.total():,} dropped paths: {most.replace('_', ' ')}",
            [(reason.replace("_", " "), {"dropped paths": number}) for reason, number in dropped.most_common()],
            {"dropped paths": RUNS[0]},
            name="drops",
            axis="dropped paths",
        )
    shares = [(strategy, rate) for strategy, rate in summary.kept_share.items() if rate.n]
    if shares:
        yield rates_plot(
            "Share of annotated paths that were kept, by strategy",
            [(str(strategy), rate) for strategy, rate in shares],
            name="kept",
            unit="%",
            axis="kept, % of paths with a critique",
        )
    levels = {level: rate for level, rate in summary.kept_share_by_level.items() if level}
    if len(levels) > 1:
        yield rates_plot(
            "Share of annotated paths that were kept, by level",
            [(f"level {level}", rate) for level, rate in levels.items()],
            name="kept-by-level",
            unit="%",
            axis="kept, % of paths with a critique",
        )


def _funnel_table(summary: GenerationSummary) -> Table:
    rows = [
        (
            STAGES[stage],
            strategy,
            f"{passage.in_:,}",
            f"{passage.out:,}",
            ", ".join(f"{count:,} {reason.replace('_', ' ')}" for reason, count in passage.dropped.items()) or "-",
        )
        for stage in FUNNEL_STAGES
        for strategy, passage in summary.funnel[stage].items()
        if passage.in_
    ]
    note = "A path with several critiques counts once for each."
    return Table("What became of the paths", ("stage", "strategy", "paths", "left", "dropped"), rows, note=note)


def _cost_by_strategy(summary: GenerationSummary) -> Iterator[Table]:
    if summary.cost_by_strategy is not None:
        rows = [
            (
                strategy,
                f"{cost.actor_calls:,}",
                f"{cost.tokens:,}",
                "-" if cost.tokens_per_kept is None else f"{cost.tokens_per_kept:,.0f}",
            )
            for strategy, cost in summary.cost_by_strategy.items()
            if cost.tokens or cost.actor_calls
        ]
        columns = ("strategy", "calls of the actor", "tokens", "tokens for each kept critique")
        yield Table("Cost by strategy", columns, rows, note="Dropped paths are counted, too.")
