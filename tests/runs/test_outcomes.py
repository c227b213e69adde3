from typing import Any

import pytest

from critique_graph.runs.outcomes import Outcome, outcome_of, outcome_of_error, outcome_of_parts


def result(*kinds: str | None) -> dict[str, Any]:
    """A graph's result whose chains failed in these ways."""
    return {"chains": [{"failure": kind and {"kind": kind, "message": "why", "attempts": 6}} for kind in kinds]}


@pytest.mark.parametrize(
    ("kinds", "outcome"),
    [
        ((None, None), Outcome("done")),
        ((None, "connection"), Outcome("failed", "connection: why")),
        (("timeout",), Outcome("failed", "timeout: why")),
        (("server",), Outcome("failed", "server: why")),
        (("setup",), Outcome("failed", "setup: why")),
        (("rejected", "setup"), Outcome("failed", "setup: why")),
        (("rejected", None), Outcome("quarantined", "rejected: why")),
        (("invalid_reply",), Outcome("quarantined", "invalid_reply: why")),
        (("error",), Outcome("failed", "error: why")),
        (("rejected", "server"), Outcome("failed", "server: why")),
    ],
    ids=lambda value: "+".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_outcome_follows_from_the_failures_of_the_chains(kinds: tuple[str | None, ...], outcome: Outcome) -> None:
    assert outcome_of(result(*kinds)) == outcome


@pytest.mark.parametrize(
    ("kinds", "outcome"),
    [
        ((), Outcome("done")),
        ((None, None), Outcome("done")),
        ((None, "rejected"), Outcome("done")),
        (("rejected", "rejected"), Outcome("quarantined", "rejected: why")),
        ((None, "setup"), Outcome("failed", "setup: why")),
        ((None, "rejected", "error"), Outcome("failed", "error: why")),
    ],
    ids=str,
)
def test_outcome_of_parts_is_done_if_some_were_refused(kinds: tuple[str | None, ...], outcome: Outcome) -> None:
    assert outcome_of_parts(result(*kinds)["chains"]) == outcome


def test_exception_out_of_the_graph_is_named() -> None:
    assert outcome_of_error(KeyError("chains")) == Outcome("failed", "KeyError: 'chains'")
