"""Measures whether a critic finds the first wrong step, by the protocol of ProcessBench (arXiv 2412.06559).

A prediction is the first step that the critique calls wrong, or that there is none. What cannot be read as one counts
as wrong, and is counted by reason.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from langchain_core.language_models import BaseChatModel

from critique_graph.core.context import Context
from critique_graph.core.critique import parse_critique
from critique_graph.core.schema import Critique, FailureKind, Trace
from critique_graph.eval_critic.labelled import Case, LabelledProblem, exact_case, labelled_problems, miniature_cases
from critique_graph.eval_critic.settings import EvalCriticSettings
from critique_graph.graphs.judge import create_judge
from critique_graph.graphs.prompts import loop_prompts, prompts_hash
from critique_graph.metrics.judgement import NO_ERROR, FirstErrors, first_errors
from critique_graph.runs.drive import SessionEnd, drive
from critique_graph.runs.folder import JOURNAL, open_run
from critique_graph.runs.journal import JournalRow, read_journal
from critique_graph.runs.outcomes import Outcome, outcome_of
from critique_graph.runs.progress import Progress

Unreadable = (
    Literal[
        "unparsed",  # no verdict that can be read
        "unlocated",  # the answer is called wrong, and no step
        "unaligned",  # the first sentence called wrong is none of the response's
    ]
    | FailureKind  # there is no critique: the call failed for good
)

_GRAPH_FIELDS = set(Context.model_fields) - {"actor", "critic"}


class CriticEvaluation(FirstErrors):
    """What `critique-graph eval-critic --json` prints: the scores over all responses, and where they come from."""

    responses: int
    """With a label, judged or not."""
    by_source: dict[str, FirstErrors]
    unreadable: dict[str, int]
    """Responses without a prediction, by reason (`Unreadable`): they count as wrong."""
    unlabelled: int
    """Of the miniature: no whole response, or one whose steps are all right and whose answer is not. Left out."""
    failed: int
    """The model could not be reached: left out, and tried again by the same command."""
    pending: int
    tokens: int
    seconds: float
    run: str


class JudgedTrace(Trace):
    """A trace that keeps the given steps and their label."""

    problem: LabelledProblem


@dataclass(frozen=True)
class Prediction:
    """What a critique says of the first wrong step."""

    step: int | None
    """0-based, or `NO_ERROR`; None where it cannot be read."""
    reason: Unreadable | None = None
    """Why not."""


def predict(critique: Critique) -> Prediction:
    """Read a critique as a prediction. The steps' verdicts decide; a final verdict alone locates no error."""
    if critique.first_error is not None:
        step = critique.first_wrong_step
        return Prediction(step, None if step is not None else "unaligned")
    if critique.final == "wrong":
        return Prediction(None, "unlocated")
    return Prediction(NO_ERROR) if critique.final == "correct" else Prediction(None, "unparsed")


def evaluate_critic(
    actor: BaseChatModel,
    critic: BaseChatModel,
    folder: Path,
    settings: EvalCriticSettings,
    *,
    fresh: bool = False,
    progress: Progress | None = None,
) -> tuple[SessionEnd, CriticEvaluation]:
    """Have a critic judge labelled responses in a run's folder, or go on with that, and score it.

    Raises:
        CritiqueGraphError: Bad input, or a folder that cannot be written; nothing finished before is lost.
    """
    problems = list(labelled_problems(settings.sources, limit=settings.limit, seed=settings.seed))
    recorded = settings.model_dump(mode="json")
    with open_run(folder, recorded, prompts=prompts_hash(loop_prompts()), fresh=fresh) as run:
        judge = create_judge(actor, critic, log=run.journal, **settings.model_dump(include=_GRAPH_FIELDS))
        end = asyncio.run(
            drive(
                judge.compile(name="judge"),
                problems,
                run,
                settings=recorded,
                total=len(problems),
                concurrency=settings.concurrency,
                progress=progress,
                judge=_outcome,
            )
        )
        exercises = miniature_cases(settings.limit, settings.seed) if "miniature" in settings.sources else {}

        def case_of(trace: JudgedTrace) -> Case | None:
            if trace.problem.label is not None:
                return Case(trace.problem.steps, trace.problem.label)
            response = trace.chains[0].response
            if response is None or response.is_truncated:
                return None
            return exact_case(exercises[trace.problem.id], response.text)

        rows = read_journal(folder / JOURNAL)
        found = score(rows, case_of, run=str(folder), seconds=run.journal.seconds(), total=len(problems))
        outcomes = {**run.journal.counts(), "pending": found.pending}
        run.write_manifest(end.state, reason=end.reason, outcomes=outcomes, tokens={"total": found.tokens})
    return end, found


def score(
    rows: Iterable[JournalRow], case_of: Callable[[JudgedTrace], Case | None], *, run: str, seconds: float, total: int
) -> CriticEvaluation:
    """Score the critiques of a journal.

    Args:
        rows: The journal's problems.
        case_of: Gives a response's steps and label; None to leave it out.
        run: Path of the run folder.
        seconds: How long it took.
        total: Responses there are.
    """
    unreadable: Counter[str] = Counter()
    statuses: Counter[str] = Counter()
    scored: dict[str, list[tuple[int | None, int]]] = {}
    unlabelled = tokens = 0
    for row in rows:
        statuses[row.outcome.status] += 1
        if row.trace is None or row.outcome.status != "done":
            continue
        trace = JudgedTrace.model_validate_json(row.trace)
        tokens += trace.usage["total"].total_tokens
        if (case := case_of(trace)) is None:
            unlabelled += 1
            continue
        prediction = _prediction(trace, case)
        if prediction.reason is not None:
            unreadable[prediction.reason] += 1
        scored.setdefault(str(trace.problem.source), []).append((prediction.step, case.label))
    every = [pair for pairs in scored.values() for pair in pairs]
    settled = statuses["done"] + statuses["failed"] + statuses["quarantined"]
    return CriticEvaluation(
        **_scores(every).model_dump(),
        responses=len(every),
        by_source={source: _scores(pairs) for source, pairs in scored.items()},
        unreadable=dict(unreadable),
        unlabelled=unlabelled,
        failed=statuses["failed"] + statuses["quarantined"],
        pending=total - settled,
        tokens=tokens,
        seconds=round(seconds, 3),
        run=run,
    )


def _scores(pairs: list[tuple[int | None, int]]) -> FirstErrors:
    return first_errors([predicted for predicted, _ in pairs], [label for _, label in pairs])


def _prediction(trace: JudgedTrace, case: Case) -> Prediction:
    chain = trace.chains[0]
    if not chain.rounds or chain.response is None:
        return Prediction(None, chain.failure.kind if chain.failure else "unparsed")
    critique = chain.rounds[0].critique
    read = parse_critique(critique.text, chain.response.text, steps=case.steps)
    return predict(read.model_copy(update={"final": critique.final}))  # None, where the critique was cut off


def _outcome(result: Mapping[str, Any]) -> Outcome:
    """Judge a result: a response that the critic's model refuses, as too long for it, is a finding about the critic."""
    outcome = outcome_of(result)
    return Outcome("done") if outcome.status == "quarantined" else outcome
