"""The way of a call to its server: the one that its model has, or one of a pool, which may differ from try to try.

A pool belongs to an event loop: what its servers are like is remembered from run to run. `server_pool.py` chooses; each
server has a breaker of its own: one that is out is left alone and probed, while others have the calls.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Collection
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from contextvars import ContextVar
from functools import partial
from math import inf
from weakref import WeakKeyDictionary

from langchain_core.language_models import BaseChatModel

from critique_graph.calls.breaker import Ask, Breaker, Patience, breaker_of
from critique_graph.calls.contract import attribute_of
from critique_graph.calls.faults import classify
from critique_graph.calls.server_pool import Ending, ServerPool
from critique_graph.calls.traffic import traffic_in_force
from critique_graph.core.addresses import addresses_of
from critique_graph.core.errors import InputError
from critique_graph.core.secrets import redacted

logger = logging.getLogger(__name__)

clock = time.monotonic
TICK_SECONDS = 1.0
"""Seconds after which a file of servers is read again, and a call that waits looks again for a server."""
LONGEST_REST_SECONDS = 120.0
"""Longest time that a server which refuses calls is left alone, whatever it asks for."""

_chosen: ContextVar[str | None] = ContextVar("chosen_server", default=None)
_pools: "WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Pool]]" = WeakKeyDictionary()


def chosen_server() -> str | None:
    """Give the address of the server that the call in progress goes to; None outside the calls of a pool."""
    return _chosen.get()


def route_of(model: BaseChatModel, problem: str | None, ask: Ask) -> "Breaker | Route":
    """Give the way of a call of `model`: the breaker of its server, or what stands in its place for a pool.

    Args:
        model: The model; one with several servers names them in `server_pool`.
        problem: Id of the problem; its calls go to one server. None: of no problem.
        ask: Makes a one-token call, by which a server is probed.
    """
    whole = breaker_of(model)
    servers: str | None = attribute_of(model, "server_pool")
    if servers is None:
        return whole
    pools = _pools.setdefault(asyncio.get_running_loop(), {})
    if servers not in pools:
        pools[servers] = Pool(servers, whole.patience.call_timeout)
    return Route(whole, pools[servers], problem, ask)


class Pool:
    """The servers that a base URL names, for the calls of one event loop.

    Args:
        base_url: Several addresses, or a file of them, which is read again while calls go on.
        call_timeout: Seconds that a probe may take at most.
    """

    def __init__(self, base_url: str, call_timeout: float | None) -> None:
        self._base_url = base_url
        self._patience = Patience(call_timeout, outage=inf)
        self._servers = ServerPool(())
        self._breakers: dict[str, Breaker] = {}
        self._waiting: dict[asyncio.Future[None], str | None] = {}
        """The calls that wait for a server, the first first, with the server that they would have."""
        self._read_at = -inf
        self._complaint: str | None = None
        self.out_since: float | None = None
        """When it was found that all servers are out; None while one is not."""
        self._keep(addresses_of(base_url))

    def breaker(self, server: str) -> Breaker | None:
        """Give the breaker of a server; None for one that is no longer in the pool."""
        return self._breakers.get(server)

    def outage(self) -> str:
        """Say that all servers are out, and what is wrong with the first."""
        first = next(iter(self._breakers.values()))
        return f"all {len(self._breakers)} servers are out ({first.server}: {first.error})"

    def usable(self, tried: Collection[str] = ()) -> list[str]:
        """Give the servers that are not out, without those that were tried."""
        return [server for server, breaker in self._breakers.items() if not breaker.is_open and server not in tried]

    def look(self, ask: Ask) -> bool:
        """Read the file again, if it is time, and see whether all servers are out; gives True if they are."""
        if clock() - self._read_at >= TICK_SECONDS:
            self._read_again(ask)
        if self.usable():
            self.out_since = None
        elif self.out_since is None:
            self.out_since = clock()
        return self.out_since is not None

    async def begin(self, problem: str | None, tried: set[str], ask: Ask) -> str:
        """Begin a call: give its server, and wait for one that may have another call.

        Args:
            problem: Id of the problem.
            tried: Servers at which the call has failed; emptied once no other is left.
            ask: Makes a one-token call.
        """
        while True:
            self.look(ask)
            if not (usable := self.usable(tried)):
                tried.clear()
                usable = self.usable() or list(self._breakers)
            avoid = self._breakers.keys() - set(usable)
            if (server := self._servers.choose(problem, avoid)) is not None:
                self._servers.began(server)
                return server
            place = asyncio.get_running_loop().create_future()
            self._waiting[place] = self._servers.home(problem)
            try:
                await asyncio.wait([place], timeout=TICK_SECONDS)
            finally:
                self._waiting.pop(place, None)

    def end(self, server: str, ending: Ending, seconds: float, *, rest: float | None = None) -> None:
        """End a call.

        Args:
            server: Its server.
            ending: How it ended.
            seconds: How long it took.
            rest: Seconds for which the server asks to be left alone.
        """
        self._servers.ended(server, ending, seconds)
        if rest is not None:
            self._servers.rest(server, min(rest, LONGEST_REST_SECONDS))
        for _ in range(min(self._servers.places(self.usable()), len(self._waiting))):
            places = (place for place, home in self._waiting.items() if home == server)
            place = next(places, None) or next(iter(self._waiting))
            del self._waiting[place]
            place.set_result(None)

    def open(self, server: str, ask: Ask) -> None:
        """Leave a server alone until it answers a probe."""
        self._breakers[server].open(partial(_ask_at, server, ask))

    def _read_again(self, ask: Ask) -> None:
        self._read_at = clock()
        try:
            found = addresses_of(self._base_url)
        except InputError as error:  # the file is being written, perhaps
            if str(error) != self._complaint:
                logger.warning("%s The servers stay as they are.", error)
            self._complaint = str(error)
            return
        self._complaint = None
        for server in self._keep(found):
            logger.warning("%s joins the pool", redacted(server))
            self.open(server, ask)

    def _keep(self, servers: Collection[str]) -> list[str]:
        """Have these servers from now on; gives those that are new."""
        for server in self._breakers.keys() - set(servers):
            logger.warning("%s leaves the pool", redacted(server))
            self._breakers.pop(server).stop()
        new = [server for server in servers if server not in self._breakers]
        self._breakers |= {server: Breaker(redacted(server), self._patience) for server in new}
        self._servers.keep(self._breakers)
        return new


class Route:
    """The way of one call to the servers of a pool: to the caller, what a breaker is for a single server."""

    def __init__(self, whole: Breaker, pool: Pool, problem: str | None, ask: Ask) -> None:
        self._whole = whole
        self._pool = pool
        self._problem = problem
        self._ask = ask
        self._tried: set[str] = set()
        self._server = ""
        """The server of the try in progress, or of the last one."""

    @property
    def patience(self) -> Patience:
        """How long calls wait for the pool."""
        return self._whole.patience

    @property
    def lost(self) -> str | None:
        """What happened, in one line, once all servers have been out for too long."""
        return self._whole.lost

    @property
    def is_open(self) -> bool:
        """True while all servers are taken to be out."""
        return not self._pool.usable()

    @property
    def has_others(self) -> bool:
        """Whether there is a server at which the call has not failed."""
        return bool(self._pool.usable(self._tried))

    @property
    def slots(self) -> AbstractAsyncContextManager[None]:
        """Held by a call while its request is in flight: with it, the call has a server."""
        return self._place()

    async def wait(self) -> bool:
        """Wait while all servers are out. Gives True if they were."""
        was_out = False
        while self.patience.outage > 0 and self.lost is None and self._pool.look(self._ask):
            assert self._pool.out_since is not None
            seconds = clock() - self._pool.out_since
            if seconds >= self.patience.outage:
                self._whole.lost = f"{self._pool.outage()} for {seconds:.0f} s"
            else:
                was_out = True
                await asyncio.sleep(min(TICK_SECONDS, self.patience.outage - seconds))
        return was_out

    def answered(self) -> None:
        """Note an answer of the server, be it a refusal."""
        if (breaker := self._pool.breaker(self._server)) is not None:
            breaker.answered()

    def failed(self, ask: Ask) -> None:
        """Note an error that may mean that the server is out; `ask` is how it is probed."""
        if (breaker := self._pool.breaker(self._server)) is not None:
            breaker.failed(partial(_ask_at, self._server, ask))

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        async with self._whole.slots:
            server = self._server = await self._pool.begin(self._problem, self._tried, self._ask)
            token, began = _chosen.set(server), clock()
            ending: Ending = "other"
            rest: float | None = None
            try:
                yield
                ending = "answered"
            except Exception as error:
                fault = classify(error)
                is_overload = fault.is_busy or fault.kind == "timeout"
                ending = "overload" if is_overload else "failure" if fault.is_outage else "other"
                rest = fault.retry_after
                self._tried.add(server)
                raise
            finally:
                _chosen.reset(token)
                self._pool.end(server, ending, clock() - began, rest=rest)
                traffic_in_force().at(redacted(server), is_answered=ending == "answered")


async def _ask_at(server: str, ask: Ask) -> None:
    _chosen.set(server)  # for the prober alone, whose context is its own
    await ask()
