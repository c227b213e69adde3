"""Every finished model call and every outcome of a run, durable in one SQLite file.

A call's reply is kept under its place in the graph (`CallKey`), so a run that was killed resumes in the middle of a
problem: the graph runs again, and finished calls are answered from here. Failed calls are not kept: they are made
again.

One thread writes, in group commits: the event loop never waits for the disk, and a problem counts as settled only once
its outcome is on the disk. The number of problems in flight bounds the queue, because no problem ends before its calls
are committed.
"""

import asyncio
import logging
import queue
import sqlite3
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from critique_graph.calls.caller import CallKey
from critique_graph.core.errors import InputError, RunError
from critique_graph.core.schema import Problem, Reply, Usage
from critique_graph.runs.journal_file import (
    PUT,
    checksummed,
    connect,
    explained,
    is_sound,
    read_calls,
    read_problems,
)
from critique_graph.runs.journal_open import open_journal
from critique_graph.runs.outcomes import STATUSES, Outcome, Status
from critique_graph.runs.session_journal import digest_of, place_of

logger = logging.getLogger(__name__)

COMMIT_SECONDS = 0.05
"""How long the writer collects before it commits: at most 20 syncs a second."""
_KNOWN_PROBLEMS = """
SELECT position, id, digest, status = 'pending' AND NOT EXISTS (SELECT * FROM calls WHERE calls.problem = problems.id)
FROM problems ORDER BY position
"""
_FORGET = "DELETE FROM problems WHERE position = ?"


@dataclass(frozen=True)
class JournalRow:
    """One problem of the journal."""

    id: str
    outcome: Outcome
    trace: bytes | None
    """The `Trace` as JSON; None for pending problems and for those on which the graph raised an exception."""


@dataclass(frozen=True)
class _Begun:
    """A problem that is worked on."""

    position: int
    digest: bytes
    replies: dict[str, Reply]
    """What earlier sessions kept, by place."""


@dataclass(frozen=True)
class _Write:
    table: str
    columns: tuple[Any, ...]
    committed: asyncio.Future[None] | None = None


class Journal:
    """The journal of one run, open for writing; the run folder's lock keeps it to one process.

    Implements `SessionJournal`. Use it as a context manager: leaving it commits what is queued.

    Raises:
        RunError: the file cannot be read or written, is damaged, or has another format.
    """

    def __init__(self, path: Path) -> None:
        self.is_finished = False
        self.elsewhere = 0
        self._path = path
        self._problems: Iterator[tuple[int, Problem]] = iter(())
        self._open: dict[str, _Begun] = {}
        self._queue: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._error: RunError | None = None
        self._started = time.monotonic()
        with explained(path):
            self._connection = open_journal(path)
            self._reader = connect(path)
            self._session = 1 + self._reader.execute("SELECT coalesce(max(id), 0) FROM sessions").fetchone()[0]
            self._has_calls = self._reader.execute("SELECT EXISTS (SELECT * FROM calls)").fetchone() == (1,)
        self._writer = threading.Thread(target=self._write_batches, name="journal", daemon=True)
        self._writer.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._queue.put(None)
        self._writer.join()
        self._reader.close()
        with explained(self._path):
            self._connection.close()
        if self._error is not None and error is None:
            raise self._error

    def refuse_changed(self, problems: Iterable[Problem]) -> None:
        """Check, before anything is recorded, that this run began with these problems; more may follow at the end.

        A problem that was met, but of which no call was kept, is forgotten if it is another one now: earlier versions
        left such rows when they refused a changed set.

        Raises:
            RunError: a problem of the run is another one now, or is missing.
        """
        numbered = enumerate(problems)
        forgotten: list[tuple[int]] = []
        with explained(self._path):
            for position, problem_id, digest, is_empty in self._reader.execute(_KNOWN_PROBLEMS):
                problem = next((problem for number, problem in numbered if number == position), None)
                if problem is not None and (problem.id, digest_of(problem)) == (problem_id, digest):
                    continue
                if not is_empty:
                    raise _changed(position, problem_id)
                forgotten.append((position,))
            self._connection.executemany(_FORGET, forgotten)  # the writer rests: nothing was recorded yet

    def hand_out(self, problems: Iterable[Problem]) -> None:
        """Let `take` give these problems, one after another."""
        self._problems = enumerate(problems)

    async def take(self) -> tuple[int, Problem] | None:
        """Give the next problem, finished or not, with its 0-based place in the set."""
        taken = next(self._problems, None)
        self.is_finished = taken is None
        return taken

    @contextmanager
    def problem(self, problem: Problem, position: int) -> Iterator[Status]:
        """Open a problem, so that its calls can be recalled and recorded; gives its status of earlier sessions.

        Args:
            problem: The problem; for a done or quarantined one, no calls are loaded.
            position: 0-based place of the problem in its set.

        Raises:
            InputError: the id occurred before at another position, or the text is not valid Unicode.
            RunError: the journal has another problem at this position, or another question under this id.
        """
        digest = digest_of(problem)
        status = self._status(problem, position, digest)
        if status in ("done", "quarantined"):
            yield status
            return
        if status is None:
            status = "pending"
            self._put(_Write("problems", (position, problem.id, digest, status, None, None)))
        self._open[problem.id] = _Begun(position, digest, self._replies(problem.id))
        try:
            yield status
        finally:
            del self._open[problem.id]

    def recall(self, key: CallKey) -> Reply | None:
        """Give the reply an earlier session recorded under `key`, or None."""
        return self._open[key.problem].replies.get(place_of(key))

    def record(self, key: CallKey, reply: Reply) -> None:
        """Keep a reply. Returns at once; it is on disk at the latest when its problem is settled."""
        self._put(_Write("calls", (key.problem, place_of(key), reply.model_dump_json().encode())))

    async def settle(self, problem: Problem, outcome: Outcome, trace: bytes | None = None) -> bool:
        """Keep how `problem` ended; returns, with True, once this and every call recorded before are on disk."""
        committed = asyncio.get_running_loop().create_future()
        begun = self._open[problem.id]
        columns = (begun.position, problem.id, begun.digest, outcome.status, outcome.reason, trace)
        self._put(_Write("problems", columns, committed))
        await committed
        return True

    def counts(self) -> dict[Status, int]:
        """Count the problems met so far by status, over all sessions."""
        with explained(self._path):
            rows = self._reader.execute("SELECT status, count(*) FROM problems GROUP BY status").fetchall()
        return dict.fromkeys(STATUSES, 0) | dict(rows)

    async def untraced_usage(self) -> dict[str, Usage]:
        """Give `read_untraced_usage` of this journal, once every call recorded before is on disk."""
        committed = asyncio.get_running_loop().create_future()
        self._put(_Write("sessions", (self._session, time.monotonic() - self._started), committed))
        await committed
        return read_untraced_usage(self._path)

    def fold_log(self) -> None:
        """Move what is committed from SQLite's log into the file: who reads the file next need not check the log.

        Every reader checks the whole log, frame by frame, which takes a tenth of a second.
        """
        with explained(self._path):
            self._reader.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def seconds(self) -> float:
        """Give the seconds of all sessions on this journal, the present one included."""
        with explained(self._path):
            before = self._reader.execute("SELECT total(seconds) FROM sessions WHERE id < ?", (self._session,))
            return float(before.fetchone()[0]) + time.monotonic() - self._started

    def _replies(self, problem_id: str) -> dict[str, Reply]:
        """Give the replies of a problem by place; a damaged one is set aside, and its call is made again."""
        if not self._has_calls:  # of earlier sessions, and a problem is worked on once in a session
            return {}
        replies = {}
        with explained(self._path):
            for row in self._reader.execute("SELECT * FROM calls WHERE problem = ?", (problem_id,)):
                try:
                    if not is_sound("calls", row):
                        raise ValueError("not as it was written")
                    replies[row[1]] = Reply.model_validate_json(row[2])
                except ValueError:
                    logger.warning(
                        "%s: a reply of problem %r is damaged; its call is made again", self._path, problem_id
                    )
        return replies

    def _status(self, problem: Problem, position: int, digest: bytes) -> Status | None:
        with explained(self._path):
            rows = self._reader.execute(
                "SELECT position, id, digest, status FROM problems WHERE id = ? OR position = ?",
                (problem.id, position),
            ).fetchall()
        if problem.id in self._open or any(found != position for found, *_ in rows):
            raise InputError(f"problem {position + 1}: its id {problem.id!r} occurs twice; ids must be unique.")
        if not rows:
            return None
        _, known_id, known_digest, status = rows[0]
        if (known_id, known_digest) != (problem.id, digest):
            raise _changed(position, known_id)
        return status  # type: ignore[no-any-return]

    def _put(self, write: _Write) -> None:
        if self._error is not None:
            raise self._error
        self._queue.put(write)

    def _write_batches(self) -> None:
        is_closing = False
        while not is_closing:
            batch = [self._queue.get()]
            self._closing.wait(COMMIT_SECONDS)
            while not self._queue.empty():
                batch.append(self._queue.get())
            is_closing = None in batch  # the last one; it may come when the wait is just over
            self._commit([write for write in batch if write is not None])

    def _commit(self, batch: list[_Write]) -> None:
        try:
            if self._error is None:
                with explained(self._path):
                    self._write(batch)
        except RunError as error:
            self._error = error
        except Exception as error:  # noqa: BLE001 - the thread ends here, and its waiters must get the error
            self._error = RunError(f"cannot write {self._path}: {error!r}.")
        awaited = [write.committed for write in batch if write.committed is not None]
        if awaited:
            with suppress(RuntimeError):  # the loop is closed, so nobody waits any more
                awaited[0].get_loop().call_soon_threadsafe(_acknowledge, awaited, self._error)

    def _write(self, batch: list[_Write]) -> None:
        run = self._connection.execute
        rows: defaultdict[str, list[tuple[Any, ...]]] = defaultdict(list)
        for write in batch:
            rows[write.table].append(checksummed(write.table, *write.columns))
        run("BEGIN IMMEDIATE")
        try:
            for table, written in rows.items():
                self._connection.executemany(PUT[table], written)
            if batch:
                seconds = time.monotonic() - self._started
                run(PUT["sessions"], checksummed("sessions", self._session, seconds))
            run("COMMIT")
        except sqlite3.Error:
            if self._connection.in_transaction:
                run("ROLLBACK")
            raise


def read_journal(path: Path) -> Iterator[JournalRow]:
    """Read the problems of a journal in order, one at a time; the run may still be going on.

    Raises:
        RunError: the file cannot be read, is damaged, or has another format.
    """
    for _, problem_id, _, status, reason, trace in read_problems(path):
        yield JournalRow(id=problem_id, outcome=Outcome(status, reason), trace=trace)


def read_untraced_usage(path: Path) -> dict[str, Usage]:
    """Give what the recorded calls of problems without a trace used, by role; most are problems that were cut off.

    Raises:
        RunError: the file cannot be read, or is damaged.
    """
    usage: defaultdict[str, Usage] = defaultdict(Usage)
    for role, used in read_usages(path, untraced=True):
        usage[role] += used
    return dict(usage)


def read_usages(path: Path, *, untraced: bool = False) -> Iterator[tuple[str, Usage]]:
    """Give role and usage of every recorded call, or of those of problems without a trace; raises as `read_journal`."""
    for _, place, reply in read_calls(path, untraced=untraced):
        with suppress(ValueError):  # not a reply: its call is made again
            yield place.partition("/")[0], Reply.model_validate_json(reply).call.usage


def _acknowledge(futures: list[asyncio.Future[None]], error: RunError | None) -> None:
    for future in futures:
        if future.done():  # its waiter was cancelled
            continue
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)


def _changed(position: int, problem_id: str) -> RunError:
    return RunError(
        f"problem {position + 1} of this run is {problem_id!r}; now it is another one or missing: the set has "
        "changed. Restore it (new problems may follow at its end), use another --out, or --fresh to start over."
    )
