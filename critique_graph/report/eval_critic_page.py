"""The page of a critic's evaluation: its scores, and for every response its verdicts beside the label."""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from critique_graph.core.schema import Call, Critique, Failure, Judgement, Problem, Record, Response, Round
from critique_graph.eval_critic.labelled import Case
from critique_graph.eval_critic.score import CriticEvaluation, JudgedTrace, cases_of, judged, score
from critique_graph.metrics.calibration import Calibration
from critique_graph.metrics.judgement import NO_ERROR
from critique_graph.report.charts import bars_plot, rates_plot
from critique_graph.report.drawing import Plot, bars, empty, label, percent, styled
from critique_graph.report.formulas import MathElement, find_formulas
from critique_graph.report.layout import Card, Filter, Look, Page, Table, rate_of, recorded_settings, settings_of
from critique_graph.report.parts import Looked, Problems, cost_table, outcome_figures, problems_of, run_data
from critique_graph.report.problems import critique_texts, problem_texts
from critique_graph.report.read_run import ReportedRun, read_run
from critique_graph.report.svg import MUTED, RUNS, svg_of

OUTCOMES = {
    "found": "wrong step found",
    "accepted": "no error, none named",
    "false_alarm": "no error, one named",
    "missed": "wrong step missed",
    "earlier": "an earlier step named",
    "later": "a later step named",
    "unreadable": "unreadable",
    "unlabelled": "without a label",
}


class JudgedTree(Record):
    """A response with its label, and what the critic said about it."""

    problem: Problem
    steps: tuple[str, ...]
    label: int | None
    """0-based index of the first wrong step, or -1; None if the response is left out."""
    predicted: int | None
    reason: str | None
    """Why no prediction can be read."""
    response: Response | None
    critique: Critique | None
    """As it was read to be scored: against the labelled steps."""
    call: Call | None
    others: tuple[Judgement, ...]
    """The other critiques of the response, where there are several."""
    failures: tuple[Failure, ...]
    """The calls for critiques of the response that failed while others came."""
    formulas: dict[str, MathElement]


def eval_critic_page(folder: Path) -> Page:
    """Make the page of a folder of `eval-critic`; raises as `read_run` does."""
    run = read_run(folder, "eval-critic")
    configuration = run.manifest["configuration"]
    case_of = cases_of(configuration["sources"], limit=configuration["limit"], seed=configuration["seed"])
    problems = problems_of(run, "eval-critic", lambda trace: _look(trace, case_of))
    summary = score(run.finished, case_of)
    name = folder.resolve().name
    counts = _counts(problems)
    with styled():
        plots = list(_plots(summary, counts))
    return Page(
        verb="eval-critic",
        names=[name],
        cards=[_card(name, run, summary, problems.models, counts)],
        figures=[(figure, [value]) for figure, value in _figures(run, summary)],
        plots=plots,
        tables=[_sources(summary), cost_table(run)],
        settings=settings_of([list(recorded_settings(run.manifest, problems.models))]),
        data=run_data(name, summary, run.gaps),
        filters=[
            Filter("source", [(source, source) for source in summary.by_source]),
            Filter("verdict", [(name, words) for name, words in OUTCOMES.items() if counts[name]]),
        ],
        rows=problems.rows,
        blocks=problems.blocks,
    )


def _look(trace: JudgedTrace, case_of: Callable[[JudgedTrace], Case | None]) -> Looked:
    case, chain = case_of(trace), trace.chains[0]
    critique, prediction = judged(trace, case) if case else (None, None)
    if case is None or prediction is None:
        outcome = "unlabelled"
    elif prediction.step is None:
        outcome = "unreadable"
    elif prediction.step == case.label:
        outcome = "accepted" if case.label == NO_ERROR else "found"
    elif NO_ERROR in (case.label, prediction.step):
        outcome = "false_alarm" if case.label == NO_ERROR else "missed"
    else:
        outcome = "earlier" if prediction.step < case.label else "later"
    turn: Round | None = next(iter(chain.rounds), None)
    said, others = critique or (turn and turn.critique), turn.others if turn else ()
    texts = [*problem_texts(trace.problem), *(case.steps if case else ()), *(critique_texts(said) if said else ())]
    texts += [text for other in others for text in critique_texts(other.critique)]
    tree = JudgedTree(
        problem=Problem(**trace.problem.model_dump(include=set(Problem.model_fields))),
        steps=case.steps if case else (),
        label=case.label if case else None,
        predicted=prediction.step if prediction else None,
        reason=prediction.reason if prediction else None,
        response=chain.response,
        critique=said,
        call=turn.call if turn else None,
        others=others,
        failures=turn.failures if turn else (),
        formulas=find_formulas(texts),
    )
    look: Look = "good" if outcome in ("found", "accepted") else "" if outcome == "unlabelled" else "bad"
    return Looked([(str(trace.problem.source), outcome)], [(OUTCOMES[outcome], look)], tree)


def _counts(problems: Problems) -> Counter[str]:
    cells = [row.cells[0] for row in problems.rows]
    return Counter(part[1] for cell in cells for part in getattr(cell, "parts", ()))


def _card(name: str, run: ReportedRun, summary: CriticEvaluation, models: dict[str, str], counts: Counter[str]) -> Card:
    value = summary.f1.value
    return Card(
        name,
        models.get("critic", "no critic"),
        "-" if value is None else f"{100 * value:.1f} %",
        "F1 of the first wrong step",
        [
            ("With a wrong step, judged as labelled: ", rate_of(summary.on_erroneous)),
            ("Without a wrong step, judged as labelled: ", rate_of(summary.on_correct)),
        ],
        [
            (f"{counts['missed']:,} wrong steps missed", "bad" if counts["missed"] else ""),
            (f"{counts['false_alarm']:,} false alarms", "bad" if counts["false_alarm"] else ""),
        ],
        run.gaps,
    )


def _figures(run: ReportedRun, summary: CriticEvaluation) -> Iterator[tuple[str, str]]:
    yield from outcome_figures(run)
    yield "first-error F1", rate_of(summary.f1)
    yield "with a wrong step, as labelled", rate_of(summary.on_erroneous)
    yield "without a wrong step, as labelled", rate_of(summary.on_correct)
    yield "all responses, as labelled", rate_of(summary.exact)
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in summary.unreadable.items())
    yield "without a prediction", reasons or "none"
    if summary.unlabelled:
        yield "left out, without a label", f"{summary.unlabelled:,}"
    if summary.calibration is not None:
        yield "calibration error of the verdicts", rate_of(summary.calibration.ece)
    yield "tokens", f"{summary.tokens:,}"


def _plots(summary: CriticEvaluation, counts: Counter[str]) -> Iterator[Plot]:
    if not summary.responses:
        return
    rates = [
        ("F1", summary.f1),
        ("with a wrong step", summary.on_erroneous),
        ("without one", summary.on_correct),
        ("all responses", summary.exact),
    ]
    if len(summary.by_source) > 1:
        rates += [(f"F1, {source}", scores.f1) for source, scores in summary.by_source.items()]
    yield rates_plot(
        f"The critic finds the first wrong step: F1 {summary.f1.percent()}",
        rates,
        name="scores",
        unit="%",
        axis="judged as labelled, %",
    )
    yield bars_plot(
        f"{counts['found'] + counts['accepted']:,} of {summary.responses:,} responses are judged as labelled",
        [(words, {"responses": counts[name]}) for name, words in OUTCOMES.items() if counts[name]],
        {"responses": RUNS[0]},
        name="verdicts",
        axis="responses",
    )
    if summary.calibration is not None:
        yield _reliability(summary.calibration)


def _reliability(calibration: Calibration) -> Plot:
    figure, axes = empty()
    axes.plot([0, 100], [0, 100], "--", color=MUTED, linewidth=1)
    label(axes, "calibrated", (14, 14), MUTED)
    for point in calibration.bins:
        place = 100 * point.confidence
        axes.errorbar([place], [percent(point.correct)], bars(point.correct), color=RUNS[0], capsize=3, fmt="o")
    axes.set_xlabel("confidence: critiques that share the verdict, %")
    axes.set_ylabel("correct verdicts, %")
    axes.set_xlim(-2, 104)
    axes.set_ylim(-4, 104)
    rows = [
        (f"{100 * point.confidence:.1f} %", point.correct.percent(), str(point.correct.n)) for point in calibration.bins
    ]
    return Plot(
        f"Confidence and correctness of verdicts differ by {calibration.ece.percent(unit='points')} on average",
        svg_of(figure, "reliability"),
        ("confidence", "correct verdicts, 95 % interval", "n"),
        rows,
    )


def _sources(summary: CriticEvaluation) -> Table:
    rows = [
        (source, *(rate_of(rate) for rate in (found.f1, found.on_erroneous, found.on_correct)))
        for source, found in summary.by_source.items()
    ]
    return Table("By source", ("source", "F1", "with a wrong step", "without a wrong step"), rows)
