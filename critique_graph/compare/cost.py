"""What calls cost: how many, their tokens, and their share of the time a run took."""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass

from critique_graph.core.schema import Call


@dataclass(frozen=True)
class Cost:
    """What calls took."""

    calls: float = 0.0
    tokens: float = 0.0
    """Read and written ones; cached ones count in full."""
    seconds: float = 0.0
    """Their share of the run's time (`SharedTime`)."""


class SharedTime:
    """Divides the time of a run among its calls: each moment equally among those in flight then.

    Calls run side by side, and wait for one another, so that how long one took says little about what it cost. These
    shares add up to the time in which any call was in flight. They depend on the run: its machine, its concurrency.
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
        """Give a call's share in seconds; 0.0 where it is not recorded when it began."""
        if call.started is None:
            return 0.0
        return self._until(call.started + call.seconds) - self._until(call.started)

    def _until(self, moment: float) -> float:
        return self._shares[bisect_left(self._moments, moment)]
