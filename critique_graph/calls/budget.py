"""The budget of a run: how many tokens, calls and seconds it may spend, over all of its sessions.

A call reserves its place before it is made, and is counted once it has its reply, so that concurrent calls never share
what is left. It is taken to cost as many tokens as the dearest call so far, and each of the first calls as many as its
reply may have. Where that does not fit beside the calls in flight, it waits for one of them to end; where nothing is in
flight, it is made as long as anything is left. So a run goes over its budget by no more than the calls in flight.

A call that fails costs nothing here: what a server did for it is not known.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass

from critique_graph.core.schema import Usage

clock = time.monotonic
ENOUGH_CALLS = 20
"""Number of calls after which the dearest one tells what another may cost."""


@dataclass(frozen=True)
class Limits:
    """What a run may spend, over all of its sessions; None: as much as it takes."""

    tokens: int | None = None
    """Tokens of prompts and replies; cached ones count in full."""
    calls: int | None = None
    seconds: float | None = None
    """Wall-clock time."""

    @property
    def is_none(self) -> bool:
        """Whether nothing is bounded."""
        return self == Limits()


class BudgetSpentError(Exception):
    """A call was not made because its run has spent its budget."""


class Budget:
    """What one run has spent, and what it may spend.

    Args:
        limits: What the run may spend.
        earlier: What calls of earlier sessions used, a usage for each.
        seconds: Seconds that earlier sessions took.
    """

    def __init__(self, limits: Limits = Limits(), *, earlier: Iterable[Usage] = (), seconds: float = 0.0) -> None:
        self.limits = limits
        self._is_bounded = not limits.is_none
        self.tokens = self.calls = self.in_flight = 0
        self.refused: set[str] = set()
        """Ids of problems of which a call was not made."""
        self._dearest, self._is_unknown = 0, False
        self._settled = asyncio.Event()
        self._began = clock() - seconds
        for usage in earlier:
            self.count(usage)

    @property
    def spent(self) -> str | None:
        """What is spent, in one line; None while something of everything is left."""
        limits, seconds = self.limits, clock() - self._began
        if limits.calls is not None and self.calls >= limits.calls:
            return _in_words(f"{limits.calls:,} calls", "run_calls")
        if limits.tokens is not None and self.tokens >= limits.tokens:
            return _in_words(f"{limits.tokens:,} tokens", "run_tokens")
        if limits.seconds is not None and seconds >= limits.seconds:
            return _in_words(f"{limits.seconds:g} seconds", "run_seconds")
        if limits.tokens is not None and self._is_unknown:
            return "a model does not say how many tokens its calls use, so run_tokens cannot hold; give run_calls"
        return None

    def place(self, problem: str | None, *, max_tokens: int) -> AbstractAsyncContextManager[None]:
        """Give what holds a place in the budget while a call is made; it waits for it first, if need be.

        Args:
            problem: Id of the problem that the call is made for; None: for none.
            max_tokens: Largest number of tokens of its reply.

        Raises:
            BudgetSpentError: Nothing is left.
        """
        return self._place(problem, max_tokens) if self._is_bounded else nullcontext()

    @asynccontextmanager
    async def _place(self, problem: str | None, max_tokens: int) -> AsyncIterator[None]:
        while self.spent is None and self.in_flight and not self._has_room(max_tokens):
            await self._settled.wait()
        if (spent := self.spent) is not None:
            if problem is not None:
                self.refused.add(problem)
            raise BudgetSpentError(spent)
        self.in_flight += 1
        try:
            yield
        finally:
            self.in_flight -= 1
            self._settled.set()
            self._settled = asyncio.Event()

    def count(self, usage: Usage) -> None:
        """Count what a reply cost."""
        self.calls += usage.calls
        self.tokens += usage.total_tokens
        self._dearest = max(self._dearest, -(-usage.total_tokens // max(1, usage.calls)))
        self._is_unknown |= usage.unknown_calls > 0

    def _has_room(self, max_tokens: int) -> bool:
        calls, tokens, together = self.limits.calls, self.limits.tokens, self.in_flight + 1
        each = self._dearest if self.calls >= ENOUGH_CALLS else max(self._dearest, max_tokens)
        return (calls is None or self.calls + together <= calls) and (
            tokens is None or self.tokens + together * each <= tokens
        )


def _in_words(amount: str, setting: str) -> str:
    return f"the run's budget of {amount} is spent; the same command with a larger {setting} goes on"


_IN_FORCE: ContextVar[Budget | None] = ContextVar("budget", default=None)


def budget_in_force() -> Budget:
    """Give the budget of the run that makes a call; outside a run, one without limits."""
    return _IN_FORCE.get() or Budget()


@contextmanager
def within_budget(budget: Budget) -> Iterator[Budget]:
    """Have the calls that are made within spend a budget."""
    token = _IN_FORCE.set(budget)
    try:
        yield budget
    finally:
        _IN_FORCE.reset(token)
