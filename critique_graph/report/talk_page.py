"""The page of self-talk: what was kept, and every path with its critiques and repairs, and the talk made of them."""

from collections.abc import Iterator
from pathlib import Path

from critique_graph.core.schema import Record
from critique_graph.report.charts import bars_plot, rates_plot
from critique_graph.report.drawing import Plot, styled
from critique_graph.report.formulas import MathElement, find_formulas
from critique_graph.report.layout import Card, Filter, Look, Page, rate_of, recorded_settings, settings_of
from critique_graph.report.parts import Looked, cost_table, outcome_figures, problems_of, run_data
from critique_graph.report.problems import ShownResponse, chain_texts, problem_texts, responses_of
from critique_graph.report.read_run import ReportedRun, read_run
from critique_graph.report.svg import RUNS
from critique_graph.self_talk.dataset import TALKS, TalkTrace, was_correct
from critique_graph.self_talk.summary import TalkSummary, summarise_talks

KEPT = "kept"


class TalksTree(Record):
    """All talks about a problem, and what is worked out about the responses of their chains."""

    trace: TalkTrace
    """Without its settings."""
    responses: tuple[tuple[ShownResponse, ...], ...]
    formulas: dict[str, MathElement]


def talk_page(folder: Path) -> Page:
    """Make the page of a folder of `self-talk`; raises as `read_run` does."""
    run = read_run(folder, "self-talk")
    problems = problems_of(run, "self-talk", _look)
    summary = summarise_talks(run.finished, dataset=str(folder / "dataset" / TALKS))
    name = folder.resolve().name
    with styled():
        plots = list(_plots(summary))
    return Page(
        verb="self-talk",
        names=[name],
        cards=[_card(name, run, summary, problems.models)],
        figures=[(figure, [value]) for figure, value in _figures(run, summary)],
        plots=plots,
        tables=[cost_table(run)],
        settings=settings_of([list(recorded_settings(run.manifest, problems.models))]),
        data=run_data(name, summary, run.gaps),
        filters=[
            Filter("first path", [("right", "correct"), ("wrong", "wrong")]),
            Filter("outcome", [(KEPT, KEPT), *((str(why), _words(why)) for why in summary.dropped)]),
        ],
        rows=problems.rows,
        blocks=problems.blocks,
    )


def _look(trace: TalkTrace) -> Looked:
    kept = sum(talk.drop is None for talk in trace.talks)
    repaired = sum(talk.drop is None and talk.repairs > 0 for talk in trace.talks)
    dropped = len(trace.talks) - kept
    tree = TalksTree(
        trace=trace.model_copy(update={"settings": {}}),
        responses=tuple(tuple(responses_of(talk.chain)) for talk in trace.talks),
        formulas=find_formulas(_texts(trace)),
    )
    parts = [("right" if was_correct(talk) else "wrong", talk.drop or KEPT) for talk in trace.talks]
    chips: list[tuple[str, Look]] = [
        (f"{kept} kept", "good" if kept else ""),
        (f"{repaired} repaired", "good" if repaired else ""),
        (f"{dropped} dropped", ""),
    ]
    return Looked(parts, chips, tree)


def _texts(trace: TalkTrace) -> Iterator[str]:
    yield from problem_texts(trace.problem)
    for talk in trace.talks:
        yield from chain_texts(talk.chain)
        for thought in talk.thoughts:
            yield from (thought.step, thought.explanation, thought.reasoning)


def _card(name: str, run: ReportedRun, summary: TalkSummary, models: dict[str, str]) -> Card:
    return Card(
        name,
        f"{models.get('actor', 'no actor')} judged by {models.get('critic', 'nobody')}",
        f"{summary.kept:,}",
        f"talks kept of {summary.talks:,}",
        [
            ("Wrong paths that were repaired, copies included: ", rate_of(summary.repaired_share)),
            ("Correct paths that were kept, copies included: ", rate_of(summary.right_share)),
        ],
        [(f"{summary.repaired:,} repaired", "good"), (f"{summary.right:,} correct at first", "")],
        run.gaps,
    )


def _figures(run: ReportedRun, summary: TalkSummary) -> Iterator[tuple[str, str]]:
    yield from outcome_figures(run)
    yield "kept talks", f"{summary.kept:,}: {summary.right:,} correct at first, {summary.repaired:,} repaired"
    yield "wrong paths repaired, copies included", rate_of(summary.repaired_share)
    yield "correct paths kept, copies included", rate_of(summary.right_share)
    by_repairs = ", ".join(f"{count:,} with {number}" for number, count in summary.kept_by_repairs.items())
    yield "mistakes in kept talks", by_repairs or "-"
    yield "dropped", ", ".join(f"{count:,} {_words(why)}" for why, count in summary.dropped.items()) or "-"
    yield "tokens", f"{summary.tokens['total']:,}"


def _plots(summary: TalkSummary) -> Iterator[Plot]:
    outcomes = {"kept, correct at first": summary.right, "kept, repaired": summary.repaired} | {
        f"dropped, {_words(why)}": count for why, count in summary.dropped.items()
    }
    if summary.talks:
        yield bars_plot(
            f"{summary.kept:,} of {summary.talks:,} talks were kept, {summary.repaired:,} of them repaired",
            [(name, {"talks": count}) for name, count in outcomes.items()],
            {"talks": RUNS[0]},
            name="talks",
            axis="talks",
        )
        yield rates_plot(
            "What became of paths that were wrong or correct at first",
            [("wrong, repaired", summary.repaired_share), ("correct, kept", summary.right_share)],
            name="shares",
            unit="%",
            axis="share of paths, %",
        )
    if len(summary.kept_by_repairs) > 1:
        yield bars_plot(
            "Mistakes in the kept talks",
            [(f"{number}", {"talks": count}) for number, count in summary.kept_by_repairs.items()],
            {"talks": RUNS[0]},
            name="repairs",
            axis="talks, by their mistakes",
        )


def _words(reason: str) -> str:
    return reason.replace("_", " ")
