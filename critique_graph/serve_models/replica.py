"""One server of a pool: started, asked whether it is ready, and started again when it ends."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from critique_graph.core.errors import RunError
from critique_graph.core.tied_process import TiedProcess

logger = logging.getLogger(__name__)

PAUSES = (1.0, 5.0, 15.0, 60.0, 60.0)
"""Seconds before each new start of a server that ended; a server that has ended more often is given up."""
STEADY_SECONDS = 600.0
"""Time in service after which earlier ends of a server no longer count."""
_ASK_SECONDS = 2.0
_LOG_LINES = 3


@dataclass(frozen=True)
class ServerOrder:
    """How a server is started, and where it then is."""

    command: Sequence[str]
    port: int
    log: Path
    environment: Mapping[str, str]
    """Variables that it has more than this process, such as the device it uses."""

    @property
    def url(self) -> str:
        """Its address for clients of OpenAI's API."""
        return f"http://127.0.0.1:{self.port}/v1"


class Replica:
    """A server that is kept in service; whoever owns it calls `look` again and again.

    Args:
        order: How it is started.
        start_seconds: Longest time that it may take until it is ready.
        pauses: Seconds before each new start.
        clock: Gives the time in seconds.
    """

    def __init__(
        self,
        order: ServerOrder,
        *,
        start_seconds: float,
        pauses: Sequence[float] = PAUSES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.order = order
        self.is_ready = False
        self.is_given_up = False
        self._start_seconds = start_seconds
        self._pauses = pauses
        self._clock = clock
        self._process: TiedProcess | None = None
        self._was_ready = False
        self._ends = 0
        """How often it has ended since it was last steady."""
        self._since = clock()
        """When it was started, became ready, or ended."""

    def look(self) -> None:
        """See how the server is, and do what is to be done.

        Raises:
            RunError: It ended, or was not ready in time, before it was ever ready.
        """
        if self.is_given_up:
            return
        now = self._clock()
        if self._process is None:
            if self._ends == 0 or now - self._since >= self._pauses[self._ends - 1]:
                self._process = TiedProcess(self.order.command, self.order.log, self.order.environment)
                self._since = now
        elif self._process.exit_code is not None:
            self._ended(self._process, now, f"ended: {self._process.last_words(_LOG_LINES)}")
        elif not self.is_ready:
            if self._answers():
                self.is_ready, self._was_ready, self._since = True, True, now
            elif now - self._since > self._start_seconds:
                self._ended(self._process, now, f"was not ready within {self._start_seconds:g} s")

    def running(self) -> list[TiedProcess]:
        """Give its process, if it has one."""
        return [] if self._process is None else [self._process]

    def _ended(self, process: TiedProcess, now: float, what: str) -> None:
        process.end()
        what = f"the server at {self.order.url} {what} (log: {process.log})"
        if not self._was_ready:
            raise RunError(f"{what}.")
        if self.is_ready and now - self._since >= STEADY_SECONDS:
            self._ends = 0
        self._ends += 1
        self.is_ready, self._process, self._since = False, None, now
        self.is_given_up = self._ends > len(self._pauses)
        next_step = "it is given up" if self.is_given_up else f"a new start in {self._pauses[self._ends - 1]:g} s"
        logger.warning("%s; %s", what, next_step)

    def _answers(self) -> bool:
        try:
            place = f"http://127.0.0.1:{self.order.port}/health"
            return httpx.get(place, timeout=_ASK_SECONDS, trust_env=False).is_success
        except httpx.HTTPError:
            return False
