"""Journal rows of problems with one critiqued and refined chain, and runs of such rows."""

from collections import Counter
from pathlib import Path

from critique_graph.core.schema import (
    Ballot,
    Call,
    Chain,
    Critique,
    Grade,
    Problem,
    Response,
    Round,
    Trace,
    Usage,
    Verdict,
)
from critique_graph.runs.journal import JournalRow
from critique_graph.runs.outcomes import STATUSES, Outcome, Status
from critique_graph.runs.record import FinishedRun

GRADES = {
    "right": Grade(outcome="correct"),
    "wrong": Grade(outcome="incorrect"),
    "ungraded": Grade(outcome="ungraded", reason="timeout"),
    None: None,
}
ACTOR, CRITIC = Usage(calls=2, input_tokens=30, output_tokens=10, cached_tokens=15), Usage(calls=1, unknown_calls=1)


def response(grade: str | None, *, finish_reason: str = "stop") -> Response:
    return Response(text="…", answer="3", call=Call(model="m", finish_reason=finish_reason), grade=GRADES[grade])


def row(
    name: str,
    first: str | None,
    final: str | None,
    *,
    verdict: Verdict | None = "wrong",
    status: Status = "done",
    level: int | None = None,
    finish_reason: str = "stop",
) -> JournalRow:
    """A problem whose only chain was critiqued once and refined."""
    rounds = (
        Round(
            critique=Critique(text="…", final=verdict),
            call=Call(model="m"),
            refinement=response(final, finish_reason=finish_reason),
        ),
    )
    trace = Trace(
        problem=Problem(id=name, question="?", answer="3", level=level),
        graph="actor_critic",
        settings={},
        chains=(Chain(index=0, response=response(first), rounds=rounds),),
        ballot=Ballot(rule="majority", winner="3"),
        answer="3",
        correct={"right": True, "wrong": False}.get(final or ""),
        grade=GRADES[final],
        usage={"actor": ACTOR, "critic": CRITIC, "total": ACTOR + CRITIC},
        seconds=1,
    )
    return JournalRow(name, Outcome(status), trace.model_dump_json(by_alias=True).encode())


def finished(
    rows: list[JournalRow], *, run: str = "runs/a", seconds: float = 0.0, total: int | None = None
) -> FinishedRun:
    """A run that ended with these rows; the problems of `total` that have none are pending."""
    counts = Counter(row.outcome.status for row in rows)
    outcomes = {status: counts[status] for status in STATUSES}
    outcomes["pending"] += max(total or 0, len(rows)) - len(rows)
    return FinishedRun(rows=lambda: rows, outcomes=outcomes, folder=Path(run), seconds=seconds)
