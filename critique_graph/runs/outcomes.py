"""How a problem ended, and what that means for the next run of the same command."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from critique_graph.core.errors import one_line

Status = Literal[
    "pending",  # not begun, or begun and interrupted
    "done",
    "failed",  # the model could not be reached: tried again by the next run
    "quarantined",  # the problem itself causes the failure: not tried again
]
STATUSES: tuple[Status, ...] = ("done", "failed", "quarantined", "pending")

RETRIED_KINDS = frozenset({"connection", "timeout", "server", "empty_reply"})
"""Kinds of failed call that are not the problem's fault: the next run may succeed."""


@dataclass(frozen=True)
class Outcome:
    """How one problem ended."""

    status: Status
    reason: str | None = None
    """One line for `failed` and `quarantined`; None otherwise."""


def outcome_of(result: Mapping[str, Any]) -> Outcome:
    """Judge a graph's result by the failures on its chains (JSON of `Chain`)."""
    failures = [chain["failure"] for chain in result["chains"] if chain["failure"] is not None]
    if not failures:
        return Outcome("done")
    retried = [failure for failure in failures if failure["kind"] in RETRIED_KINDS]
    first = (retried or failures)[0]
    return Outcome("failed" if retried else "quarantined", one_line(f"{first['kind']}: {first['message']}"))


def outcome_of_parts(parts: Sequence[Mapping[str, Any]]) -> Outcome:
    """Judge paths or talks by their failures: one that is retried fails the problem; a refused part is only dropped."""
    failures = [part["failure"] for part in parts if part["failure"] is not None]
    for failure in failures:
        if failure["kind"] in RETRIED_KINDS:
            return Outcome("failed", one_line(f"{failure['kind']}: {failure['message']}"))
    if failures and len(failures) == len(parts):
        return Outcome("quarantined", one_line(f"{failures[0]['kind']}: {failures[0]['message']}"))
    return Outcome("done")


def outcome_of_error(error: Exception) -> Outcome:
    """Judge an exception that the graph raised: a fault of our code or of a grader, which would happen again."""
    return Outcome("quarantined", one_line(f"{type(error).__name__}: {error}"))
