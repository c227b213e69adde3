"""A journal in a PostgreSQL database that several processes work from, without a shared disk.

Every process (a session) takes problems one by one, each for as long as the session is alive: it says so every
`HEARTBEAT_SECONDS`, by the clock of the database. The problems of a session that has been silent for `LEASE_SECONDS`
are taken by others, who recall the calls that it finished. Only the session that has a problem can record its calls and
settle it, so that there is one outcome. Whoever finds nothing to take waits for the others. At the end, each process
copies the whole run into the journal of its own folder.

One thread has the only connection, and does what has gathered in one transaction, as in `journal.py`. A connection that
is lost is made again, for up to `PATIENCE_SECONDS`.
"""

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psycopg
from pydantic import JsonValue

from critique_graph.calls.caller import CallKey
from critique_graph.core.errors import RunError, first_line
from critique_graph.core.schema import Problem, Reply
from critique_graph.runs.outcomes import Outcome, Status
from critique_graph.runs.session_journal import place_of
from critique_graph.runs.shards import replace_rows
from critique_graph.runs.shared_run import Call, Settled, Taken, copied_rows, join_run
from critique_graph.runs.shared_tables import Address, connect, explained, make_tables

logger = logging.getLogger(__name__)


COMMIT_SECONDS = 0.05
"""How long writes are collected before they are committed."""
POLL_SECONDS = 0.5
"""Time between two questions for a problem, while other sessions have all that are left."""
HEARTBEAT_SECONDS = 10.0
PATIENCE_SECONDS = 60.0
"""How long a lost connection is tried again before the session ends."""
LEASE_SECONDS = 90.0
"""How long a silent session keeps its problems: longer than it may have been waiting for the database."""
_LONGEST_PAUSE = 5.0


@dataclass(frozen=True)
class _Take:
    """Asks for a problem."""

    answer: Future[Taken | None]


@dataclass(frozen=True)
class _Settle:
    """Asks for a problem's outcome to be kept."""

    settled: Settled
    answer: Future[bool]


_Request = _Take | _Settle | Call


class SharedJournal:
    """The part of one process in a shared journal; implements `SessionJournal`.

    Use it as a context manager: leaving it commits what is queued, frees the problems that are left, and copies the
    run into the folder.

    Args:
        address: The journal; it is made if it does not exist.
        settings: The run's settings, with the hash of the prompts as `prompts`.
        problems: The problems in their order; those that follow those of the journal are added to it.
        copy: Journal of the process's own run folder.

    Raises:
        InputError: The address is none, or a problem is not valid Unicode.
        RunError: The database cannot be used, or the run has other settings or problems.
    """

    def __init__(
        self, address: str, settings: Mapping[str, JsonValue], problems: Iterable[Problem], *, copy: Path
    ) -> None:
        self.is_finished = False
        self.elsewhere = 0
        self._address = Address.read(address)
        self._copy = copy
        self._taken: dict[int, Taken] = {}
        self._open: dict[str, Taken] = {}
        self._held: set[int] = set()
        """Positions of the problems that this session has, as the thread knows them."""
        self._own = 0
        """Number of problems that this session settled."""
        self._queue: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._error: RunError | None = None
        self._started = self._alive = time.monotonic()
        with explained(self._address):
            self._connection = connect(self._address)
            try:
                make_tables(self._connection, self._address)
                self._session = join_run(self._connection, self._address, settings, problems, lease=LEASE_SECONDS)
                self.elsewhere = self._session.count_settled(self._connection)
            except BaseException:
                self._connection.close()
                raise
        self._thread = threading.Thread(target=self._serve, name="shared journal", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._queue.put(None)
        self._thread.join()
        with closing(self._connection):
            if error is not None:
                return
            if self._error is not None:
                raise self._error
            with explained(self._address):
                replace_rows(self._copy, copied_rows(self._connection, self._session))

    async def take(self) -> tuple[int, Problem] | None:
        """Give the next problem that is free; None, after a moment, if others have all that are left."""
        answer: Future[Taken | None] = Future()
        self._ask(_Take(answer))
        taken = await asyncio.wrap_future(answer)
        if taken is None:
            if not self.is_finished:
                await asyncio.sleep(POLL_SECONDS)
            return None
        self._taken[taken.position] = taken
        return taken.position, taken.problem

    @contextmanager
    def problem(self, problem: Problem, position: int) -> Iterator[Status]:
        """Open a problem that was taken; gives its status of earlier sessions."""
        taken = self._open[problem.id] = self._taken.pop(position)
        try:
            yield taken.status
        finally:
            del self._open[problem.id]

    def recall(self, key: CallKey) -> Reply | None:
        """Give the reply that an earlier session recorded under `key`, or None."""
        return self._open[key.problem].replies.get(place_of(key))

    def record(self, key: CallKey, reply: Reply) -> None:
        """Keep a reply. Returns at once; it is committed at the latest when its problem is settled."""
        self._ask(Call(self._open[key.problem].position, place_of(key), reply.model_dump_json().encode()))

    async def settle(self, problem: Problem, outcome: Outcome, trace: bytes | None = None) -> bool:
        """Keep how `problem` ended; False, and nothing is kept, if another session has it by now."""
        answer: Future[bool] = Future()
        self._ask(_Settle(Settled(self._open[problem.id].position, outcome, trace), answer))
        return await asyncio.wrap_future(answer)

    def _ask(self, request: _Request) -> None:
        if self._error is not None:
            raise self._error
        self._queue.put(request)

    def _serve(self) -> None:
        """Answer requests until the journal is closed; runs in the thread."""
        while not self._closing.is_set() or not self._queue.empty():
            self._process(self._next_batch())
        self._process([])  # ends the session

    def _next_batch(self) -> list[_Request]:
        batch = []
        with suppress(queue.Empty):
            batch.append(self._queue.get(timeout=max(0.0, self._alive + HEARTBEAT_SECONDS - time.monotonic())))
        self._closing.wait(COMMIT_SECONDS)
        while not self._queue.empty():
            batch.append(self._queue.get())
        return [request for request in batch if request is not None]

    def _process(self, batch: Sequence[_Request]) -> None:
        answers: list[tuple[Future[Any], Any]] = []
        try:
            if self._error is None:
                with explained(self._address):
                    answers = self._persistently(batch)
        except RunError as error:
            self._error = error
        except Exception as error:  # noqa: BLE001 - the thread ends here, and its waiters must get the error
            self._error = RunError(f"cannot use {self._address}: {error!r}.")
        if self._error is not None:
            answers = [(request.answer, self._error) for request in batch if not isinstance(request, Call)]
        for future, answer in answers:
            if not future.set_running_or_notify_cancel():  # its waiter was cancelled
                continue
            if isinstance(answer, RunError):
                future.set_exception(answer)
            else:
                future.set_result(answer)

    def _persistently(self, batch: Sequence[_Request]) -> list[tuple[Future[Any], Any]]:
        """Do what a batch asks for; over a new connection, and all of it again, where the connection is lost."""
        pause, lost = 0.1, None
        while True:
            try:
                if self._connection.closed:
                    self._connection = connect(self._address)
                return self._transact(batch)
            except psycopg.Error as error:
                if not self._connection.closed:
                    raise
                if lost is None:
                    lost = time.monotonic()
                    logger.warning("%s is lost, and tried again: %s", self._address, first_line(error))
                if time.monotonic() - lost > PATIENCE_SECONDS or self._closing.wait(pause):
                    raise
                pause = min(2 * pause, _LONGEST_PAUSE)

    def _transact(self, batch: Sequence[_Request]) -> list[tuple[Future[Any], Any]]:
        """Do what a batch asks for in one transaction, and give the answers."""
        calls = [request for request in batch if isinstance(request, Call)]
        settles = [request for request in batch if isinstance(request, _Settle)]
        takes = [request.answer for request in batch if isinstance(request, _Take)]
        held = self._held - {request.settled.position for request in settles}
        found: list[Taken | None] = []
        with self._connection.transaction():
            self._stay_alive()
            kept = self._session.write(self._connection, calls, [request.settled for request in settles])
            if takes:
                found += self._session.take(self._connection, len(takes), held)
            is_finished = len(found) < len(takes) and not self._session.is_open(self._connection)
        self._own += len([request for request in settles if request.settled.position in kept])
        self._held = held | {taken.position for taken in found if taken is not None}
        self.is_finished = self.is_finished or is_finished
        found += [None] * (len(takes) - len(found))
        settled = [(request.answer, request.settled.position in kept) for request in settles]
        return settled + list(zip(takes, found, strict=True))

    def _stay_alive(self) -> None:
        """Say that the session is alive, if it is time to, or that it has ended."""
        now, has_ended = time.monotonic(), self._closing.is_set()
        if has_ended or now >= self._alive + HEARTBEAT_SECONDS:
            self._session.live(self._connection, 0 if has_ended else LEASE_SECONDS, now - self._started)
            self.elsewhere = self._session.count_settled(self._connection) - self._own
            self._alive = now
