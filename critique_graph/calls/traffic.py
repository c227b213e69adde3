"""Counts the calls of a run that are in flight, and the tokens of those that ended, for whoever shows its progress."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from critique_graph.core.schema import Usage


@dataclass
class ServerCalls:
    """The calls of a run at one server of a pool."""

    answered: int = 0
    failed: int = 0
    """Tries that failed; the call was made again, as a rule elsewhere."""


@dataclass
class Traffic:
    """The calls of one run in one process."""

    in_flight: int = 0
    tokens: int = 0
    """Tokens of the calls that ended: of prompts and replies."""
    written: int = 0
    """Tokens of their replies alone."""

    servers: defaultdict[str, ServerCalls] = field(default_factory=lambda: defaultdict(ServerCalls))
    """Calls by server of a pool, without credentials; empty where a model has one server."""

    @contextmanager
    def call(self) -> Iterator[None]:
        """Count a call while it is in flight."""
        self.in_flight += 1
        try:
            yield
        finally:
            self.in_flight -= 1

    def at(self, server: str, *, is_answered: bool) -> None:
        """Count a try that ended at a server of a pool."""
        self.servers[server].answered += is_answered
        self.servers[server].failed += not is_answered

    def add(self, usage: Usage) -> None:
        """Count the tokens of a call that ended."""
        self.tokens += usage.total_tokens
        self.written += usage.output_tokens


_IN_FORCE: ContextVar[Traffic | None] = ContextVar("traffic", default=None)


def traffic_in_force() -> Traffic:
    """Give the counts of the run that makes a call; outside a run, counts that nobody reads."""
    return _IN_FORCE.get() or Traffic()


@contextmanager
def counted_traffic() -> Iterator[Traffic]:
    """Count the calls that are made within."""
    token = _IN_FORCE.set(traffic := Traffic())
    try:
        yield traffic
    finally:
        _IN_FORCE.reset(token)
