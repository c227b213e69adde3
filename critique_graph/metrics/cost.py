"""The cost of calls: their number, their tokens, and their share of the time of a run."""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Self

from critique_graph.core.schema import Call, Response, Trace

Span = tuple[float, float]
"""When a call began and when it ended, in Unix time."""


@dataclass(frozen=True)
class Cost:
    """Cost of some calls."""

    calls: float = 0.0
    tokens: float = 0.0
    """Tokens read and written; cached tokens count in full."""
    seconds: float = 0.0
    """Share of the run's time (`SharedTime`)."""


def span_of(call: Call) -> Span | None:
    """Give the span of a call; None if its start was not recorded."""
    return None if call.started is None else (call.started, call.started + call.seconds)


class SharedTime:
    """Splits the time of a run among its calls: each moment evenly among the calls in flight.

    Calls run concurrently and wait for one another, so the duration of a call says little about its cost. The shares
    add up to the time in which at least one call was in flight. They depend on the machine and the concurrency.
    """

    def __init__(self, spans: Iterable[Span]) -> None:
        self._moments, self._shares = array("d"), array("d")
        in_flight, share = 0, 0.0
        for moment, change in _changes(spans):
            if in_flight:
                share += (moment - self._moments[-1]) / in_flight
            self._moments.append(moment)
            self._shares.append(share)
            in_flight += change

    @classmethod
    def of_calls(cls, calls: Iterable[Call]) -> Self:
        """Split the time of a run among `calls`."""
        return cls(span for call in calls if (span := span_of(call)) is not None)

    def of(self, call: Call) -> float:
        """Give a call's share in seconds; 0.0 if the start of the call was not recorded."""
        span = span_of(call)
        return 0.0 if span is None else self.within(span)

    def within(self, span: Span) -> float:
        """Give the share of the call that had this span, in seconds."""
        return self._until(span[1]) - self._until(span[0])

    def _until(self, moment: float) -> float:
        return self._shares[bisect_left(self._moments, moment)]


def responses(trace: Trace) -> list[Response]:
    """Give all responses of a trace, those without a critic included."""
    found = [response for chain in trace.chains for response in chain.responses]
    return [
        *found,
        *trace.uncritiqued,
        *(response for response in (trace.greedy, *trace.retries) if response is not None),
    ]


def calls_of(trace: Trace) -> list[Call]:
    """Give all calls of a trace."""
    critiques = [given.call for chain in trace.chains for turn in chain.rounds for given in turn.judgements]
    return [*(response.call for response in responses(trace)), *critiques]


def _changes(spans: Iterable[Span]) -> Iterator[tuple[float, int]]:
    """Give the moments at which a call began (1) or ended (-1), in order; where both happened, the end comes first."""
    begun, ended = array("d"), array("d")
    for start, end in spans:
        begun.append(start)
        ended.append(end)
    starts, place = sorted(begun), 0
    for end in sorted(ended):
        while place < len(starts) and starts[place] < end:
            yield starts[place], 1
            place += 1
        yield end, -1
    for start in starts[place:]:  # calls that took no time, at the last end
        yield start, 1
