"""One run in the database of shared journals: how a process joins it, and how it gets a copy of the whole."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
import psycopg
from pydantic import JsonValue, ValidationError

from critique_graph.core.errors import RunError
from critique_graph.core.schema import Problem, Reply
from critique_graph.runs.folder import refuse_changed_settings
from critique_graph.runs.outcomes import Outcome, Status
from critique_graph.runs.session_journal import digest_of
from critique_graph.runs.shared_tables import Address

Connection = psycopg.Connection[tuple[Any, ...]]

_WAY_OUT = "Give every worker the same command, or name another run: …/DATABASE/RUN."
_OTHERS = 0
"""Id of what all other sessions took together, as a session before the first one of the copy."""


_TAKE = """
UPDATE critique_graph.problems SET session = %(session)s WHERE run = %(run)s AND position = ANY(ARRAY(
    SELECT position FROM critique_graph.problems
    WHERE run = %(run)s AND status IN ('pending', 'failed')
        AND (status = 'pending' OR settled < %(started)s)
        AND position <> ALL(%(held)s)
        AND (session IS NULL OR session = %(session)s OR session NOT IN (SELECT id FROM critique_graph.alive))
    ORDER BY position LIMIT %(count)s FOR UPDATE SKIP LOCKED
))
RETURNING position, status, problem
"""
"""Failures are tried again by sessions that began later. What this session has without knowing it was taken by a
transaction whose answer was lost."""
_CALLS = "SELECT position, place, reply FROM critique_graph.calls WHERE run = %s AND position = ANY(%s)"
_IS_OPEN = """
SELECT EXISTS (
    SELECT FROM critique_graph.problems
    WHERE run = %s AND status IN ('pending', 'failed')
        AND (status = 'pending' OR session IN (SELECT id FROM critique_graph.alive))
)
"""
_COUNT = "SELECT count(*) FROM critique_graph.problems WHERE run = %s AND status <> 'pending'"
_HELD = """
SELECT position FROM critique_graph.problems WHERE run = %s AND position = ANY(%s) AND session = %s FOR UPDATE
"""
_RECORD = """
INSERT INTO critique_graph.calls VALUES (%s, %s, %s, %s)
ON CONFLICT (run, position, place) DO UPDATE SET reply = excluded.reply
"""
_SETTLE = """
UPDATE critique_graph.problems
SET status = %s, reason = %s, trace = %s, session = NULL, settled = clock_timestamp() WHERE run = %s AND position = %s
"""
_LIVE = """
UPDATE critique_graph.sessions
SET alive_until = clock_timestamp() + %s * interval '1 second', seconds = %s WHERE id = %s
"""


@dataclass(frozen=True)
class Taken:
    """A problem that this session has, with what earlier sessions left of it."""

    position: int
    status: Status
    problem: Problem
    replies: dict[str, Reply]


@dataclass(frozen=True)
class Call:
    """A finished call, to be kept."""

    position: int
    place: str
    reply: bytes


@dataclass(frozen=True)
class Settled:
    """How a problem ended, to be kept."""

    position: int
    outcome: Outcome
    trace: bytes | None


@dataclass(frozen=True)
class Session:
    """One process's part in a run; each method is part of a transaction of the caller."""

    run: int
    id: int
    started: datetime
    """By the clock of the database."""

    def live(self, connection: Connection, lease: float, seconds: float) -> None:
        """Keep what the session has for another `lease` seconds; 0 ends it.

        Args:
            connection: Connection to the database.
            lease: In seconds.
            seconds: How long the session has been going on.

        Raises:
            RunError: The run was deleted.
        """
        if not connection.execute(_LIVE, (lease, seconds, self.id)).rowcount:
            raise RunError("the run was deleted from its journal by hand; the same command begins it again.")

    def write(self, connection: Connection, calls: Sequence[Call], settled: Sequence[Settled]) -> set[int]:
        """Write calls and outcomes of the problems that this session has; gives the positions of these."""
        positions = {call.position for call in calls} | {one.position for one in settled}
        if not positions:
            return set()
        rows = connection.execute(_HELD, (self.run, list(positions), self.id)).fetchall()
        held = {position for (position,) in rows}
        with connection.cursor() as cursor:
            cursor.executemany(
                _RECORD, [(self.run, call.position, call.place, call.reply) for call in calls if call.position in held]
            )
            cursor.executemany(
                _SETTLE,
                [
                    (one.outcome.status, _encoded(one.outcome.reason), one.trace, self.run, one.position)
                    for one in settled
                    if one.position in held
                ],
            )
        return held

    def take(self, connection: Connection, count: int, held: Collection[int]) -> list[Taken]:
        """Take at most `count` problems that are free, with the replies that earlier sessions recorded.

        Args:
            connection: Connection to the database.
            count: Most problems to take.
            held: Positions of those that this session has already.
        """
        wanted = {"run": self.run, "session": self.id, "started": self.started, "held": list(held), "count": count}
        rows = sorted(connection.execute(_TAKE, wanted).fetchall())
        replies: defaultdict[int, dict[str, Reply]] = defaultdict(dict)
        for position, place, reply in connection.execute(_CALLS, (self.run, [position for position, *_ in rows])):
            with suppress(ValidationError):  # of a version with other replies: the call is made again
                replies[position][place] = Reply.model_validate_json(reply)
        return [
            Taken(position, status, Problem.model_validate_json(problem), replies[position])
            for position, status, problem in rows
        ]

    def count_settled(self, connection: Connection) -> int:
        """Count the problems of the run that are not pending."""
        return int(_fetch(connection.execute(_COUNT, (self.run,)))[0])

    def is_open(self, connection: Connection) -> bool:
        """Tell whether a problem is left that is not settled, or that another session tries again."""
        return _fetch(connection.execute(_IS_OPEN, (self.run,))) == (True,)


def join_run(
    connection: Connection,
    address: Address,
    settings: Mapping[str, JsonValue],
    problems: Iterable[Problem],
    *,
    lease: float,
) -> Session:
    """Begin a session of a run, which is made if it does not exist; problems at the end of the set are added to it.

    Raises:
        InputError: A problem is not valid Unicode.
        RunError: The run has other settings or other problems.
    """
    with connection.transaction():
        connection.execute(
            "INSERT INTO critique_graph.runs (name, settings) VALUES (%s, %s) ON CONFLICT DO NOTHING",
            (address.run, orjson.dumps(settings)),
        )
        run, known = _fetch(
            connection.execute(
                "SELECT id, settings FROM critique_graph.runs WHERE name = %s FOR NO KEY UPDATE", (address.run,)
            )
        )
        refuse_changed_settings(address, orjson.loads(known), settings, way_out=_WAY_OUT)
        connection.execute(
            "UPDATE critique_graph.runs SET settings = %s WHERE id = %s", (orjson.dumps(settings), run)
        )  # `limit` may have grown
        _add_problems(connection, address, run, problems)
        begun = connection.execute(
            "INSERT INTO critique_graph.sessions (run, alive_until) "
            "VALUES (%s, clock_timestamp() + %s * interval '1 second') RETURNING id, started",
            (run, lease),
        )
        return Session(run, *_fetch(begun))


def copied_rows(connection: Connection, session: Session) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Give table and columns of every row of the copy that `replace_rows` writes, as of one moment."""
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        seconds = connection.execute(
            "SELECT coalesce(sum(seconds), 0) FROM critique_graph.sessions WHERE run = %s AND id <> %s",
            (session.run, session.id),
        )
        yield "sessions", (_OTHERS, *_fetch(seconds))
        with connection.cursor(name="problems", binary=True) as problems:
            problems.execute(
                "SELECT position, id, digest, status, reason, trace FROM critique_graph.problems WHERE run = %s",
                (session.run,),
            )
            for position, name, digest, status, reason, trace in problems:
                yield (
                    "problems",
                    (position, name.decode(), digest, status, None if reason is None else reason.decode(), trace),
                )
        with connection.cursor(name="calls", binary=True) as calls:
            calls.execute(
                "SELECT id, place, reply FROM critique_graph.calls JOIN critique_graph.problems USING (run, position) "
                "WHERE run = %s",
                (session.run,),
            )
            for name, place, reply in calls:
                yield "calls", (name.decode(), place, reply)


def _add_problems(connection: Connection, address: Address, run: int, problems: Iterable[Problem]) -> None:
    numbered = enumerate(problems)
    with connection.cursor(name="known", binary=True) as known:
        known.execute("SELECT position, digest FROM critique_graph.problems WHERE run = %s ORDER BY position", (run,))
        for position, digest in known:
            _, problem = next(numbered, (position, None))
            if problem is None or digest_of(problem) != digest:
                raise RunError(
                    f"{address} has a run with other problems: its problem {position + 1} is another one here, or "
                    f"missing. {_WAY_OUT}"
                )
    with connection.cursor().copy(
        "COPY critique_graph.problems (run, position, id, digest, problem) FROM STDIN"
    ) as added:
        for position, problem in numbered:
            text = problem.model_dump_json().encode()
            added.write_row((run, position, problem.id.encode(), digest_of(problem), text))


def _fetch(cursor: psycopg.Cursor[tuple[Any, ...]]) -> tuple[Any, ...]:
    row = cursor.fetchone()
    assert row is not None
    return row


def _encoded(text: str | None) -> bytes | None:
    return None if text is None else text.encode()
