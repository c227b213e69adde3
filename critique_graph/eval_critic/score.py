"""Measures whether a critic finds the first wrong step, by the protocol of ProcessBench (arXiv 2412.06559).

A prediction is the first step that the critique calls wrong, or that no step is wrong. A critique without a readable
prediction counts as wrong, and is counted by reason. Of several critiques of a response, the one that stands for all of
them (`core/verdicts.py`) is scored, and the share that agrees with it is the confidence of the verdict.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from critique_graph.core.async_node import wait_for
from critique_graph.core.context import JudgeContext
from critique_graph.core.critique import parse_critique
from critique_graph.core.errors import InputError
from critique_graph.core.reasons import FailureKind
from critique_graph.core.schema import Critique, Problem, Trace, is_none
from critique_graph.eval_critic.labelled import Case, exact_case, labelled_problems, miniature_cases
from critique_graph.eval_critic.settings import EvalCriticSettings
from critique_graph.graphs.judge import create_judge
from critique_graph.graphs.prompts import loop_prompts, prompts_hash
from critique_graph.metrics.calibration import Calibration, calibration
from critique_graph.metrics.judgement import NO_ERROR, FirstErrors, first_errors
from critique_graph.problems.labelled import LabelledProblem
from critique_graph.problems.problem_set import Problems, ProblemSet, name_of_problems, refuse_repeated_ids
from critique_graph.runs.drive import run_graph
from critique_graph.runs.outcomes import Outcome, outcome_of
from critique_graph.runs.progress import Progress
from critique_graph.runs.record import Ended, FinishedRun
from critique_graph.verbs.job import prepare
from critique_graph.verbs.output import run_folder

Unreadable = (
    Literal[
        "unparsed",  # there is no readable verdict
        "unlocated",  # the answer is called wrong, but no step
        "unaligned",  # the first sentence called wrong is not in the response
    ]
    | FailureKind  # there is no critique: the call failed for good
)


class CriticEvaluation(FirstErrors, Ended):
    """The scores of a critic, overall and by source, as `critique-graph eval-critic --json` prints them."""

    responses: int
    """Number of responses with a label, judged or not."""
    by_source: dict[str, FirstErrors]
    """Scores for each source."""
    unreadable: dict[str, int]
    """Number of responses without a prediction, by reason (`Unreadable`); they count as wrong."""
    unlabelled: int
    """Number of the miniature's responses that are left out: incomplete, or with a wrong answer and no wrong step."""
    failed: int
    """Number of responses left out because the model could not be reached; the same command tries them again."""
    pending: int
    """Number of responses that the run has not reached."""
    tokens: int
    calibration: Calibration | None = Field(default=None, exclude_if=is_none)
    """How well the confidences of verdicts that several critiques made say how many of them are correct: a verdict is
    correct if it is `wrong` on a response with a wrong step, or `correct` on one without; None where there are none,
    because a single critique always agrees with itself."""


class JudgedTrace(Trace):
    """A trace that keeps the given steps and their label."""

    problem: LabelledProblem


@dataclass(frozen=True)
class Prediction:
    """The first wrong step according to a critique."""

    step: int | None
    """0-based index of the step, or `NO_ERROR`; None if it cannot be read."""
    reason: Unreadable | None = None
    """Why `step` cannot be read; None if it can."""


def predict(critique: Critique) -> Prediction:
    """Read a critique as a prediction. The steps' verdicts decide; a final verdict alone locates no error."""
    if critique.first_error is not None:
        step = critique.first_wrong_step
        return Prediction(step, None if step is not None else "unaligned")
    if critique.final == "wrong":
        return Prediction(None, "unlocated")
    return Prediction(NO_ERROR) if critique.final == "correct" else Prediction(None, "unparsed")


def evaluate_critic(
    problems: Problems | Sequence[str] = "miniature",
    *,
    out: Path | str | None = None,
    fresh: bool = False,
    progress: Progress | None = None,
    **settings: Any,
) -> CriticEvaluation:
    """Have a critic judge labelled responses, and score it, as `eval-critic` does; the same call again resumes.

    Example:
        >>> scores = evaluate_critic("processbench/gsm8k.json", critic="hf:PATH", out="runs/critic")
        >>> scores.f1

    Args:
        problems: Responses with labels: `miniature`, a file, `hf:owner/name[:config[:split]]`, several of these, or
            `LabelledProblem` records.
        out: Folder of the run; by default a new one under `runs/`.
        fresh: Start over in a folder that holds a run.
        progress: Display of the progress; nothing is shown by default.
        settings: Fields of `EvalCriticSettings`; models are strings or chat models.

    Raises:
        CritiqueGraphError: Bad input, or a folder that cannot be written; nothing finished before is lost.
        pydantic.ValidationError: A setting is unknown or out of its range.
    """
    sources = [problems] if isinstance(problems, str | Path) else list(problems)
    given = [source for source in sources if isinstance(source, Problem)]
    if given and len(given) < len(sources):
        raise InputError("give either records or names of sets, not both.")
    names = [name_of_problems(given)] if given else [str(source) for source in sources]
    job = prepare(EvalCriticSettings, {**settings, "sources": names}, partial(_labelled, given=given))
    chosen, folder = job.settings, run_folder(out, "eval-critic")
    case_of = cases_of(chosen.sources, limit=chosen.limit, seed=chosen.seed)

    return wait_for(
        run_graph(
            lambda journal: create_judge(
                **job.models, **JudgeContext.keywords(chosen), prompts=chosen.prompts, task=chosen.task, log=journal
            ).compile(name="judge"),
            job.problems,
            folder,
            chosen.model_dump(mode="json"),
            lambda run: score(run, case_of),
            prompts=prompts_hash(loop_prompts(chosen.prompts)),
            fresh=fresh,
            concurrency=chosen.concurrency,
            patience=chosen.patience,
            limits=chosen.limits,
            prices=chosen.prices,
            progress=progress,
            outcome_of=_outcome,
        )
    )


def _labelled(settings: EvalCriticSettings, *, given: Sequence[Problem]) -> ProblemSet:
    """Find the responses to judge: those at hand, or those of the sources."""
    if not given:
        return ProblemSet.of(list(labelled_problems(settings.sources, limit=settings.limit, seed=settings.seed)))
    refuse_repeated_ids(given)
    for problem in given:
        if not isinstance(problem, LabelledProblem) or problem.label is None or not problem.steps:
            raise InputError(f"problem {problem.id!r} has no labelled steps; give `LabelledProblem` records.")
    return ProblemSet.of(given[: settings.limit])


def cases_of(sources: Sequence[str], *, limit: int | None, seed: int) -> Callable[[JudgedTrace], Case | None]:
    """Give what gives the steps and the label of a response; it gives None for a response that is left out.

    Args:
        sources: The sources of the run; responses to the miniature's problems are labelled exactly.
        limit: Maximum number of responses from every source.
        seed: Seed for drawing the miniature's problems.
    """
    exercises = miniature_cases(limit, seed) if "miniature" in sources else {}

    def case_of(trace: JudgedTrace) -> Case | None:
        if trace.problem.label is not None:
            return Case(trace.problem.steps, trace.problem.label)
        response = trace.chains[0].response
        if response is None or response.is_truncated:
            return None
        return exact_case(exercises[trace.problem.id], response.text)

    return case_of


def score(run: FinishedRun, case_of: Callable[[JudgedTrace], Case | None]) -> CriticEvaluation:
    """Score the critiques of a run.

    Args:
        run: The finished run.
        case_of: Gives the steps and the label of a response; None leaves the response out.
    """
    unreadable: Counter[str] = Counter()
    scored: dict[str, list[tuple[int | None, int]]] = {}
    confident: list[tuple[float, bool]] = []
    unlabelled = tokens = 0
    for row in run.rows():
        if row.trace is None or row.outcome.status != "done":
            continue
        trace = JudgedTrace.model_validate_json(row.trace)
        tokens += trace.usage["total"].total_tokens
        if (case := case_of(trace)) is None:
            unlabelled += 1
            continue
        _, prediction = judged(trace, case)
        if prediction.reason is not None:
            unreadable[prediction.reason] += 1
        scored.setdefault(str(trace.problem.source), []).append((prediction.step, case.label))
        confident += [
            (turn.confidence, (turn.critique.final == "wrong") == (case.label != NO_ERROR))
            for turn in trace.chains[0].rounds
            if (turn.others or turn.failures) and turn.critique.final is not None
        ]
    every = [pair for pairs in scored.values() for pair in pairs]
    return CriticEvaluation(
        **_scores(every).model_dump(),
        responses=len(every),
        by_source={source: _scores(pairs) for source, pairs in scored.items()},
        unreadable=dict(unreadable),
        unlabelled=unlabelled,
        failed=run.outcomes["failed"] + run.outcomes["quarantined"],
        pending=run.outcomes["pending"],
        tokens=tokens,
        calibration=calibration(*zip(*confident, strict=True)) if confident else None,
        **run.ending(),
    )


def _scores(pairs: list[tuple[int | None, int]]) -> FirstErrors:
    return first_errors([predicted for predicted, _ in pairs], [label for _, label in pairs])


def judged(trace: JudgedTrace, case: Case) -> tuple[Critique | None, Prediction]:
    """Give a response's critique, read against the labelled steps, and its prediction; no critique if the call failed.

    Args:
        trace: The trace of the response.
        case: Its steps and its label.
    """
    chain = trace.chains[0]
    if not chain.rounds or chain.response is None:
        return None, Prediction(None, chain.failure.kind if chain.failure else "unparsed")
    critique = chain.rounds[0].critique
    read = parse_critique(critique.text, chain.response.text, steps=case.steps, has_reasoning=False)
    read = read.model_copy(update={"final": critique.final})  # None if the critique was cut off
    return read, predict(read)


def _outcome(result: Mapping[str, Any]) -> Outcome:
    """Give the outcome of a result; a response that the critic's model refuses, e.g. as too long, counts as done."""
    outcome = outcome_of(result)
    return Outcome("done") if outcome.status == "quarantined" else outcome
