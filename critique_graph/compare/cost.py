"""The cost of calls: their number, their tokens, and their share of the time of a run."""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass

from critique_graph.core.schema import Call


@dataclass(frozen=True)
class Cost:
    """Cost of some calls."""

    calls: float = 0.0
    tokens: float = 0.0
    """Tokens read and written; cached tokens count in full."""
    seconds: float = 0.0
    """Share of the run's time (`SharedTime`)."""


class SharedTime:
    """Splits the time of a run among its calls: each moment evenly among the calls in flight.

    Calls run concurrently and wait for one another, so the duration of a call says little about its cost. The shares
    add up to the time in which at least one call was in flight. They depend on the machine and the concurrency.
    """

    def __init__(self, calls: Iterable[Call]) -> None:
        known = [(call.started, call.started + call.seconds) for call in calls if call.started is not None]
        changes = sorted([(start, 1) for start, _ in known] + [(end, -1) for _, end in known])
        self._moments: list[float] = []
        self._shares: list[float] = []
        in_flight, share = 0, 0.0
        for moment, change in changes:
            if in_flight:
                share += (moment - self._moments[-1]) / in_flight
            self._moments.append(moment)
            self._shares.append(share)
            in_flight += change

    def of(self, call: Call) -> float:
        """Give a call's share in seconds; 0.0 if the start of the call was not recorded."""
        if call.started is None:
            return 0.0
        return self._until(call.started + call.seconds) - self._until(call.started)

    def _until(self, moment: float) -> float:
        return self._shares[bisect_left(self._moments, moment)]
