"""The circuit breaker of a server: while the server is out, the calls of a run wait for it and do not fail.

A run has one breaker for each server. It opens after `OPEN_AFTER` errors in a row that say that the server is out; then
one prober makes one-token calls at growing intervals (a dead engine may still answer `/health`), and all other calls
wait. The first answer lets them go on. After `Patience.outage` seconds the server counts as lost: calls fail, and the
run stops.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from contextvars import Context, ContextVar, Token
from dataclasses import dataclass, field
from math import isinf
from types import TracebackType
from typing import ClassVar, Self
from urllib.parse import urlsplit

from langchain_core.language_models import BaseChatModel

from critique_graph.calls.contract import declared
from critique_graph.calls.faults import classify

logger = logging.getLogger(__name__)

OPEN_AFTER = 5
"""Number of errors in a row that open a breaker: fewer than a call's attempts, so that a single call opens it, too."""
PROBE_SECONDS = 15.0
"""Longest time that a probe may take."""
MOST_AT_ONCE = 900
"""Most calls of a run in flight to one server, each on a connection of its own: a process may open 1,024 files."""
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.5, 10.0
_URL_FIELDS = ("openai_api_base", "anthropic_api_url", "base_url", "endpoint")

Ask = Callable[[], Awaitable[object]]
"""Makes a one-token call; raises what went wrong."""


@dataclass(frozen=True)
class Patience:
    """How long the calls of a run wait for a server."""

    call_timeout: float | None = 600.0
    """Seconds that one request may take once it is sent; None: no bound."""
    outage: float = 600.0
    """Seconds that a server may be out; 0: nothing waits for it; infinite: calls go to other servers."""


@dataclass(eq=False)
class Breaker:
    """The breaker of one server, for the calls of one run (or one call outside a run, which never opens it)."""

    server: str
    """Name of the server in messages."""
    patience: Patience
    slots: AbstractAsyncContextManager[None] = field(default_factory=lambda: asyncio.Semaphore(MOST_AT_ONCE))
    """Held by a call while its request is in flight."""
    lost: str | None = None
    """What happened, in one line, once the server has been out for too long."""
    error: str | None = None
    """What the last probe that failed found."""
    _errors: int = 0
    """Number of errors since the server last answered."""
    has_others: ClassVar[bool] = False
    """Whether another server may take a call that failed; see `Route`."""
    _prober: "asyncio.Task[bool] | None" = None

    @property
    def is_open(self) -> bool:
        """True while the server is taken to be out."""
        return self._prober is not None

    async def wait(self) -> bool:
        """Wait while the server is out. Gives True if it was: not if it answered the first probe."""
        return False if self._prober is None else await asyncio.shield(self._prober)

    def answered(self) -> None:
        """Note an answer of the server, be it a refusal."""
        self._errors = 0

    def failed(self, ask: Ask) -> None:
        """Note an error that may mean that the server is out; `ask` is how it is probed."""
        self._errors += 1
        if self._errors >= OPEN_AFTER:
            self.open(ask)

    def open(self, ask: Ask) -> None:
        """Take the server to be out until a probe finds that it answers; `ask` is how it is probed."""
        if self.patience.outage > 0 and self._prober is None:
            # Without the context of this call: what the caller traces or streams is nothing to do with the probes.
            self._prober = asyncio.create_task(self._probe(ask), context=Context())

    def stop(self) -> None:
        """Have the prober end, and with it the calls that wait."""
        if self._prober is not None:
            self._prober.cancel()

    async def close(self) -> None:
        """End the prober, as `stop` does, and wait for its end."""
        if (prober := self._prober) is not None:
            self.stop()
            await asyncio.wait([prober])

    async def _probe(self, ask: Ask) -> bool:
        began, pause, was_out = time.monotonic(), _FIRST_PAUSE_SECONDS, False
        try:
            while (error := await self._error_of(ask)) is not None:
                self.error, seconds = error, time.monotonic() - began
                if seconds >= self.patience.outage:
                    self.lost = f"{self.server} was out for {seconds:.0f} s: {error}"
                    break
                if not was_out:
                    bound = self.patience.outage
                    then = "go to other servers" if isinf(bound) else f"wait up to {bound:.0f} s for it"
                    logger.warning("%s is out (%s); calls %s", self.server, error, then)
                was_out = True
                await asyncio.sleep(min(pause, self.patience.outage - seconds))
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
            if was_out and self.lost is None:
                logger.warning("%s answers again after %.0f s", self.server, time.monotonic() - began)
            return was_out
        finally:
            self._errors, self._prober = 0, None

    async def _error_of(self, ask: Ask) -> str | None:
        """Probe once; gives the error if the server is still out, or serves nobody yet."""
        try:
            async with asyncio.timeout(min(PROBE_SECONDS, self.patience.call_timeout or PROBE_SECONDS)):
                await ask()
        except Exception as error:  # noqa: BLE001 - the same boundary as for a call
            fault = classify(error)
            return fault.message if fault.is_outage or fault.kind == "setup" else None
        return None


class Breakers:
    """The breakers of one run; its calls use them while it is entered."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._breakers: dict[str, Breaker] = {}
        self._of_models: dict[int, tuple[BaseChatModel, Breaker]] = {}
        """The breakers that were asked for, by identity of the model, which is kept for its identity to be its own."""
        self._token: Token[Breakers | None] | None = None

    async def __aenter__(self) -> Self:
        self._token = _IN_FORCE.set(self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._token is not None
        _IN_FORCE.reset(self._token)
        for breaker in self._breakers.values():
            await breaker.close()

    @property
    def lost(self) -> str | None:
        """What happened to the first server that is lost; None while there is none."""
        return next((breaker.lost for breaker in self._breakers.values() if breaker.lost is not None), None)

    def of(self, model: BaseChatModel) -> Breaker:
        """Give the breaker of a model's server: of its address, or of the model object if it names no address."""
        if id(model) not in self._of_models:
            self._of_models[id(model)] = (model, self._found(model))
        return self._of_models[id(model)][1]

    def _found(self, model: BaseChatModel) -> Breaker:
        url = next((url for name in _URL_FIELDS if isinstance(url := getattr(model, name, None), str)), None)
        key = url or f"{id(model)}"
        if key not in self._breakers:
            self._breakers[key] = Breaker(_without_secrets(url) if url else type(model).__name__, self._patience)
        return self._breakers[key]


_IN_FORCE: ContextVar[Breakers | None] = ContextVar("breakers", default=None)


def breaker_of(model: BaseChatModel) -> Breaker:
    """Give the breaker for a call of `model`. A model in this process has no server, so its calls wait for nothing."""
    if declared(type(model), "runs_in_process"):
        return Breaker("", Patience(call_timeout=None, outage=0))
    breakers = _IN_FORCE.get()
    return Breaker("", Patience(outage=0)) if breakers is None else breakers.of(model)


def _without_secrets(url: str) -> str:
    """Give the scheme, host and port of a URL: the rest may hold a password."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
