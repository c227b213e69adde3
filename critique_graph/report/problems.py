"""What the page shows of each problem: a row of the table, and the whole tree behind it."""

from collections.abc import Iterator
from typing import Literal

from critique_graph.core.schema import Chain, Critique, Problem, Record, Response, Trace
from critique_graph.report.differences import Piece, differences
from critique_graph.report.formulas import MathElement, find_formulas
from critique_graph.runs.outcomes import Outcome, Status

Change = Literal["right_to_right", "right_to_wrong", "wrong_to_right", "wrong_to_wrong"]
Flag = Literal[
    "disagreement",  # a verdict on a first response is not what the reference says
    "unreadable",  # a critique lacks a verdict, on the final answer or on a step
    "truncated",  # a response was cut off
    "called_wrong",  # the critic called a first response wrong
    "changed",  # the answer is not that of chain 0's first response
]


class Cell(Record):
    """A problem of one run, as a row of the table shows it."""

    status: Status
    reason: str | None
    change: Change | None = None
    """As in the summary's flips; None if the problem is not done or not graded."""
    flags: tuple[Flag, ...] = ()
    answer: str | None = None
    tokens: int | None = None
    seconds: float | None = None
    place: tuple[int, int] | None = None
    """Block and place in it where the problem's tree is; None without a trace."""


class ShownResponse(Record):
    """What is worked out about a response, beside the response in the trace."""

    steps: tuple[str, ...]
    is_correct: bool | None
    is_truncated: bool
    changes: tuple[Piece, ...] | None
    """For a refinement: what it changed of the response that was critiqued."""


class Tree(Record):
    """Everything about a problem: its trace, and what is worked out from it."""

    trace: Trace
    """Without its settings, which the page has once."""
    responses: tuple[tuple[ShownResponse, ...], ...]
    """For every chain its first response and its refinements, in order."""
    formulas: dict[str, MathElement]
    """Formulas in its texts, as MathML."""


def cell_of(trace: Trace | None, outcome: Outcome) -> Cell:
    """Give the row of a problem."""
    if trace is None:
        return Cell(status=outcome.status, reason=outcome.reason)
    return Cell(
        status=outcome.status,
        reason=outcome.reason,
        change=_change(trace) if outcome.status == "done" else None,
        flags=tuple(_flags(trace)),
        answer=trace.answer,
        tokens=trace.usage["total"].total_tokens,
        seconds=trace.seconds,
    )


def tree_of(trace: Trace) -> Tree:
    """Give the tree of a problem."""
    return Tree(
        trace=trace.model_copy(update={"settings": {}}),
        responses=tuple(tuple(responses_of(chain)) for chain in trace.chains),
        formulas=find_formulas(_texts(trace)),
    )


def _change(trace: Trace) -> Change | None:
    first = trace.chains[0].response if trace.chains else None
    match (None if first is None else first.is_correct, trace.correct):
        case (True, True):
            return "right_to_right"
        case (True, False):
            return "right_to_wrong"
        case (False, True):
            return "wrong_to_right"
        case (False, False):
            return "wrong_to_wrong"
    return None


def _flags(trace: Trace) -> Iterator[Flag]:
    judged = [(c.response, c.rounds[0].critique.final) for c in trace.chains if c.response is not None and c.rounds]
    graded = [
        (response.is_correct, verdict == "correct")
        for response, verdict in judged
        if response.is_correct is not None and verdict is not None
    ]
    if any(is_correct != says_correct for is_correct, says_correct in graded):
        yield "disagreement"
    rounds = [round_ for chain in trace.chains for round_ in chain.rounds]
    if any(not given.critique.is_readable for round_ in rounds for given in round_.judgements):
        yield "unreadable"
    if any(response.is_truncated for chain in trace.chains for response in chain.responses):
        yield "truncated"
    if any(verdict == "wrong" for _, verdict in judged):
        yield "called_wrong"
    first = trace.chains[0].response if trace.chains else None
    if first is not None and first.answer != trace.answer:
        yield "changed"


def responses_of(chain: Chain) -> Iterator[ShownResponse]:
    """Give a chain's first response and its refinements, in order."""
    critiqued = chain.response
    if critiqued is not None:
        yield shown_response(critiqued)
    for round_ in chain.rounds:
        if round_.refinement is None:
            continue
        yield shown_response(round_.refinement, critiqued)
        critiqued = round_.judged_next(critiqued)


def shown_response(response: Response, critiqued: Response | None = None) -> ShownResponse:
    """Give what is worked out about a response; of a refinement, what it changed of the response `critiqued`."""
    return ShownResponse(
        steps=response.steps,
        is_correct=response.is_correct,
        is_truncated=response.is_truncated,
        changes=None if critiqued is None else differences(critiqued.text, response.text),
    )


def _texts(trace: Trace) -> Iterator[str]:
    """Give the texts in which the page draws formulas."""
    yield from problem_texts(trace.problem)
    yield trace.answer or ""
    yield from (entry.answer for entry in trace.ballot.entries)
    yield from (response.text for response in (trace.greedy, *trace.retries, *trace.uncritiqued) if response)
    for chain in trace.chains:
        yield from chain_texts(chain)


def problem_texts(problem: Problem) -> Iterator[str]:
    """Give the texts of a problem."""
    yield from (text for text in (problem.question, problem.answer, problem.solution) if text)


def chain_texts(chain: Chain) -> Iterator[str]:
    """Give the texts of a chain in which the page draws formulas."""
    yield from (response.text for response in chain.responses)
    for round_ in chain.rounds:
        yield from (response.text for response in round_.discarded)
        for given in round_.judgements:
            yield from critique_texts(given.critique)


def critique_texts(critique: Critique) -> Iterator[str]:
    """Give the texts of a critique in which the page draws formulas."""
    yield critique.final_explanation
    for step in critique.steps:
        yield step.text
        yield step.explanation
