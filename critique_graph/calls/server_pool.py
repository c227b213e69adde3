"""Which server of a pool has the next call, and how many calls each may have: the bookkeeping behind `routes.py`.

- A problem's calls go to one server, whose prefix cache holds its texts. Rendezvous hashing (Thaler and Ravishankar,
  1998) gives every problem an order of the servers, which hardly changes where one comes or goes. A call goes to the
  first whose load is at most `UNEVEN` times the least (bounded loads: Mirrokni et al., 2018).
- The load of a server is the number of its calls, times the seconds that it takes for an answer: a slow one has few.
- Additive increase, multiplicative decrease (Chiu and Jain, 1989) finds how many calls a server may have. As in TCP,
  the limit doubles at first, and grows only where it is reached. Overload lowers it once for all calls in flight;
  failures, which say less about the load, lower it at most once in the time that an answer takes.
"""

import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from hashlib import blake2b
from math import inf
from typing import Literal

UNEVEN = 2.0
"""Most that the load of a server with a problem's earlier calls may be, as a multiple of the least."""
FIRST_LIMIT = 16.0
"""Calls that a server may have in flight before it is known."""
DECREASE = 0.75
"""What a limit is multiplied by to lower it."""
GROWTH = 2.0
"""Seconds of the last answers, as a multiple of those before, that count as overload."""
_RECENT, _USUAL = 16, 128
"""Number of answers over which seconds are averaged: for what is so now, and for what was so."""

Ending = Literal["answered", "overload", "failure", "other"]
"""How a call ended: with an answer, with 429 or a timeout, with another error of the server, or for reasons of ours."""


@dataclass
class _Server:
    """What is known of one server."""

    in_flight: int = 0
    limit: float = FIRST_LIMIT
    is_new: bool = True
    """True until the limit is first lowered; it doubles until then."""
    answers: int = 0
    recent: float = 0.0
    usual: float = 0.0
    """Averages of the seconds of an answer."""
    lowered: float = -inf
    """When the limit was last lowered."""
    rests_until: float = -inf

    @property
    def is_full(self) -> bool:
        """Whether it may have no more calls."""
        return self.in_flight >= int(self.limit)


class ServerPool:
    """Chooses servers by name; the caller reports when a call of one begins and ends.

    Args:
        names: The servers.
        clock: Gives the time in seconds.
    """

    def __init__(self, names: Iterable[str], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._servers: dict[str, _Server] = {}
        self.keep(names)

    def keep(self, names: Iterable[str]) -> None:
        """Have these servers from now on; calls in flight to others end as if nothing was known of them."""
        self._servers = {name: self._servers.get(name) or _Server() for name in names}

    def places(self, names: Iterable[str]) -> int:
        """Give how many calls could begin now at these servers."""
        servers = (self._servers[name] for name in names)
        return sum(max(0, int(server.limit) - server.in_flight) for server in servers)

    def choose(self, problem: str | None, avoid: Collection[str] = ()) -> str | None:
        """Give the server for a call of a problem, or None while all have as many calls as they may have.

        Args:
            problem: Id of the problem; None: of none, so that the least load decides.
            avoid: Servers that shall not have the call.
        """
        now = self._clock()
        loads = {
            name: (server.in_flight + 1) * self._seconds(server)
            for name, server in self._servers.items()
            if not server.is_full and server.rests_until <= now and name not in avoid
        }
        if not loads:
            return None
        if problem is None:
            return min(loads, key=loads.__getitem__)
        least = min(loads.values())
        return _first(problem, (name for name in loads if loads[name] <= UNEVEN * least))

    def home(self, problem: str | None) -> str | None:
        """Give the server that has a problem's calls if loads allow it."""
        return None if problem is None else _first(problem, self._servers)

    def began(self, name: str) -> None:
        """Note that a call of a server begins."""
        self._servers[name].in_flight += 1

    def ended(self, name: str, ending: Ending, seconds: float) -> None:
        """Note that a call of a server ended, after so many seconds."""
        server = self._servers.get(name)
        if server is None:
            return
        if ending == "answered":
            server.answers += 1
            server.recent += (seconds - server.recent) / min(server.answers, _RECENT)
            server.usual += (seconds - server.usual) / min(server.answers, _USUAL)
            if server.answers >= 2 * _RECENT and server.recent > GROWTH * server.usual:
                ending = "overload"
        now = self._clock()
        may_lower_from = {"overload": server.lowered + seconds, "failure": server.lowered + self._seconds(server)}
        if now >= may_lower_from.get(ending, inf):
            server.is_new = False
            server.limit, server.lowered = max(1.0, DECREASE * server.limit), now
        elif ending == "answered" and server.is_full:
            server.limit += 1 if server.is_new else 1 / server.limit
        server.in_flight -= 1

    def rest(self, name: str, seconds: float) -> None:
        """Leave a server alone for so many seconds."""
        if name in self._servers:
            self._servers[name].rests_until = self._clock() + seconds

    def _seconds(self, server: _Server) -> float:
        """Give the seconds that a server takes for an answer; of one that has given few, what others take."""
        if server.answers >= _RECENT:
            return server.usual
        known = [other.usual for other in self._servers.values() if other.answers >= _RECENT]
        return sum(known) / len(known) if known else 1.0


def _first(problem: str, names: Iterable[str]) -> str:
    """Give the first of some servers in a problem's order."""

    def score(name: str) -> bytes:
        return blake2b(f"{problem}\0{name}".encode("utf-8", "surrogatepass"), digest_size=8).digest()

    return max(names, key=score)
