"""How a problem ended, and what that means for the next run of the same command."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from critique_graph.core.errors import one_line
from critique_graph.core.reasons import FailureKind

Status = Literal[
    "pending",  # not begun, or begun and interrupted
    "done",
    "failed",  # nothing that the problem is to blame for: tried again by the next run
    "quarantined",  # the problem itself causes the failure: not tried again
]
STATUSES: tuple[Status, ...] = ("done", "failed", "quarantined", "pending")

OWN_KINDS: frozenset[FailureKind] = frozenset({"rejected", "invalid_reply"})
"""Kinds of failed call that are the problem's own fault. Any other may be gone in the next run: a server that was down,
a wrong key or model name that has been put right, a bug that has been mended."""


@dataclass(frozen=True)
class Outcome:
    """How one problem ended."""

    status: Status
    reason: str | None = None
    """One line for `failed` and `quarantined`; None otherwise."""


def outcome_of(result: Mapping[str, Any]) -> Outcome:
    """Judge a graph's result by the failures on its chains (JSON of `Chain`)."""
    return _judge([chain["failure"] for chain in result["chains"] if chain["failure"] is not None])


def outcome_of_parts(parts: Sequence[Mapping[str, Any]]) -> Outcome:
    """Judge paths or talks by their failures: one to try again fails the problem; a refused part is only dropped."""
    outcome = _judge([part["failure"] for part in parts if part["failure"] is not None])
    is_partly_refused = outcome.status == "quarantined" and any(part["failure"] is None for part in parts)
    return Outcome("done") if is_partly_refused else outcome


def outcome_of_error(error: Exception) -> Outcome:
    """Judge an exception that the graph raised: a fault of our code or of a grader, not of the problem."""
    return Outcome("failed", one_line(f"{type(error).__name__}: {error}"))


def _judge(failures: Sequence[Mapping[str, Any]]) -> Outcome:
    if not failures:
        return Outcome("done")
    others = [failure for failure in failures if failure["kind"] not in OWN_KINDS]
    first = (others or failures)[0]
    return Outcome("failed" if others else "quarantined", one_line(f"{first['kind']}: {first['message']}"))
