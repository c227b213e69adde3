"""The file of a run's journal: its tables, the checksum of every row, and how damage is found and mended.

SQLite's own checks see the structure of its pages, not what the rows hold: a bit that flips in a reply or a trace goes
unseen. So every row carries a checksum over its columns, and every row is checked when it is read. The checksum is
BLAKE2b of 8 bytes: as fast as the disk, and damage of any kind passes once in 2^64 rows (CRC32 would do for one bit,
but not for the rows of whole pages that a disk mixed up).
"""

import hashlib
import logging
import os
import shutil
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from critique_graph.core.errors import RunError
from critique_graph.runs.links import refuse_link
from critique_graph.runs.salvage import PAGE, StoredRow, is_torn, salvaged_rows

logger = logging.getLogger(__name__)

FORMAT = 2
"""Stored as `user_version`. Format 1 had no checksums: it is read, and rewritten by the next session of its run. A new
format needs other tables: a number that does not fit the tables is taken for damage."""
OLD_FORMAT = 1

_TABLES = """
BEGIN;
CREATE TABLE problems (
    position INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    digest BLOB NOT NULL,
    status TEXT NOT NULL DEFAULT 'pending',
    reason TEXT,
    trace BLOB{checksum}
);
CREATE TABLE calls (
    problem TEXT,
    place TEXT,
    reply BLOB NOT NULL{checksum},
    PRIMARY KEY (problem, place)
) WITHOUT ROWID;
CREATE TABLE sessions (id INTEGER PRIMARY KEY, seconds REAL NOT NULL DEFAULT 0{checksum});
PRAGMA user_version = {format};
COMMIT;
"""
TABLES = {
    OLD_FORMAT: _TABLES.format(checksum="", format=OLD_FORMAT),
    FORMAT: _TABLES.format(checksum=",\n    checksum BLOB NOT NULL", format=FORMAT),
}
PUT = {
    "problems": "INSERT OR REPLACE INTO problems VALUES (?, ?, ?, ?, ?, ?, ?)",
    "calls": "INSERT OR REPLACE INTO calls VALUES (?, ?, ?, ?)",
    "sessions": "INSERT OR REPLACE INTO sessions VALUES (?, ?, ?)",
}
_CALLS = "SELECT * FROM calls"
_UNTRACED_CALLS = "SELECT * FROM calls WHERE problem IN (SELECT id FROM problems WHERE trace IS NULL)"

_PAGE_SIZE_AND_LIMITS = PAGE.to_bytes(2, "big"), bytes([0, 64, 32, 32])
_OUTSIDE_CAUSES = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_READONLY,
    }
)
"""Errors that leave the file sound: the disk is full, the folder may not be written, and the like."""
SETTLING_SECONDS = 0.1
"""Time that a process needs at most to write a commit."""
_NAMED = 5
"""Most problems that a report of damage names."""


def checksummed(table: str, *columns: Any) -> tuple[Any, ...]:
    """Give a row of a table with its checksum."""
    parts = [table.encode()]
    for column in columns:
        content = column if isinstance(column, bytes) else repr(column).encode()
        parts += (b"%s %d:" % (type(column).__name__.encode(), len(content)), content)
    return (*columns, hashlib.blake2b(b"".join(parts), digest_size=8).digest())


def is_sound(table: str, row: tuple[Any, ...]) -> bool:
    """Tell whether a row is as it was written."""
    return checksummed(table, *row[:-1]) == row


def open_journal(path: Path) -> sqlite3.Connection:
    """Open a journal for writing: a new one is made, one of format 1 is rewritten, a damaged one is mended.

    Raises:
        RunError: The file cannot be read or written, is no journal, or has a format of a newer version.
    """
    with explained(path):
        _refuse_links(path)
        if (damage := _find_damage(path)) is not None:
            _mend(path, damage)
        with closing(connect(path)) as connection:
            is_old = connection.execute("PRAGMA user_version").fetchone() == (OLD_FORMAT,)
            old_rows = _rows_of_old_format(connection) if is_old else ()
            if is_old:
                _rewrite(path, old_rows)
        connection = connect(path)
        try:
            if _has_no_tables(connection):
                connection.execute("PRAGMA journal_mode = WAL")
                connection.executescript(TABLES[FORMAT])
            connection.execute(
                "PRAGMA synchronous = FULL"
            )  # as fast as NORMAL at 20 commits a second, and safe in a power cut
        except BaseException:
            connection.close()
            raise
        return connection


def read_problems(path: Path) -> Iterator[tuple[Any, ...]]:
    """Give position, id, digest, status, reason and trace of a journal's problems in order, each one checked.

    Raises:
        RunError: The file cannot be read, is damaged, or has a format of a newer version.
    """
    _refuse_links(path)
    with explained(path), closing(connect(path, read_only=True)) as connection:
        _refuse_torn_log(path)
        found = _check_structure(connection, path, "quick_check(problems)")
        for row in connection.execute("SELECT * FROM problems ORDER BY position"):
            if found == FORMAT and not is_sound("problems", row):
                raise sqlite3.DatabaseError(f"problem {row[0] + 1} ({row[1]!r}) is not as it was written")
            yield row[:6]


def read_calls(path: Path, *, untraced: bool = False) -> Iterator[tuple[str, str, bytes]]:
    """Give problem, place and reply of all calls, or of those of problems without a trace.

    Damaged ones, which are made again, are left out.

    Raises:
        RunError: The file cannot be read, or is damaged.
    """
    _refuse_links(path)
    with explained(path), closing(connect(path, read_only=True)) as connection:
        _refuse_torn_log(path)
        is_old = connection.execute("PRAGMA user_version").fetchone() == (OLD_FORMAT,)
        for row in connection.execute(_UNTRACED_CALLS if untraced else _CALLS):
            if is_old or is_sound("calls", row):
                yield row[:3]


def _refuse_links(path: Path) -> None:
    for file in (path, _beside(path, "-wal"), _beside(path, "-shm")):
        refuse_link(file)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into one clear line."""
    try:
        yield
    except sqlite3.Error as error:
        if _comes_from_outside(error):
            raise RunError(
                f"cannot use {path}: {error}. Nothing committed is lost; the same command resumes."
            ) from error
        raise RunError(
            f"{path} is damaged or no journal: {error}. The run's own command mends what can be read and does the "
            "rest again; or use --fresh to start over."
        ) from error
    except OSError as error:
        raise RunError(f"cannot use {path}: {error.strerror}.") from error


def _comes_from_outside(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF in _OUTSIDE_CAUSES


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """Open a journal as it is."""
    if read_only:
        connection = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)
    else:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.text_factory = _text
    return connection


def _text(content: bytes) -> str:
    """Read text even where it is damaged; its row's checksum tells."""
    return content.decode("utf-8", "surrogateescape")


def _find_damage(path: Path) -> str | None:
    """Say what is damaged in a journal, or give None.

    Raises:
        RunError: It has a format of a newer version.
        sqlite3.Error: It cannot be used, for a reason outside of it.
    """
    if not path.exists() or not path.stat().st_size:
        return None
    try:
        _refuse_torn_log(path)
        with closing(connect(path)) as connection:
            if _has_no_tables(connection):
                pages = connection.execute("PRAGMA page_count").fetchone()[0]
                return "its tables are missing" if pages > 1 else None
            if _check_structure(connection, path, "integrity_check(1)") == FORMAT:
                for table in ("problems", "sessions"):
                    for row in connection.execute(f"SELECT * FROM {table}"):  # noqa: S608 - names of our own
                        if not is_sound(table, row):
                            return "a row is not as it was written"
    except sqlite3.Error as error:
        if _comes_from_outside(error):
            raise
        return str(error)
    return None


def _refuse_torn_log(path: Path) -> None:
    """Refuse a write-ahead log with a damaged commit, where SQLite would only see the commits before it."""
    log = _beside(path, "-wal")
    if not log.exists() or not is_torn(content := log.read_bytes()):
        return
    time.sleep(SETTLING_SECONDS)
    if log.exists() and log.read_bytes() == content:  # otherwise a process was writing it
        raise sqlite3.DatabaseError("its last commits are torn")


def _has_no_tables(connection: sqlite3.Connection) -> bool:
    return bool(connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,))


def _check_structure(connection: sqlite3.Connection, path: Path, check: str) -> int:
    """Check all but what the rows hold, and give the format.

    Raises:
        RunError: The format is that of a newer version.
        sqlite3.DatabaseError: The file is damaged.
    """
    schema = connection.execute("SELECT * FROM sqlite_master").fetchall()
    (found,) = connection.execute("PRAGMA user_version").fetchone()
    known = {format_: _schema(tables) for format_, tables in TABLES.items()}
    if found not in known and schema not in known.values():
        raise RunError(f"{path} has format {found}; this version reads formats up to {FORMAT}.")
    with path.open("rb") as file:
        header = file.read(24)
    if (header[16:18], header[20:24]) != _PAGE_SIZE_AND_LIMITS or header[18:20] != b"\2\2":
        raise sqlite3.DatabaseError("its header is not as it was written")
    if known.get(found) != schema or connection.execute("PRAGMA encoding").fetchone() != ("UTF-8",):
        raise sqlite3.DatabaseError("its tables are not as they were made")
    (verdict,) = connection.execute(f"PRAGMA {check}").fetchone()
    if verdict != "ok":
        raise sqlite3.DatabaseError("its pages contradict each other")
    return int(found)


@cache
def _schema(tables: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.executescript(tables)
        return connection.execute("SELECT * FROM sqlite_master").fetchall()


def _rows_of_old_format(connection: sqlite3.Connection) -> Iterator[StoredRow]:
    for table in PUT:
        for row in connection.execute(f"SELECT * FROM {table}"):  # noqa: S608 - names of our own
            yield StoredRow(table, checksummed(table, *row))


def _mend(path: Path, damage: str) -> None:
    """Replace a damaged journal by one of all rows that are as they were written, and report what is lost.

    Raises:
        sqlite3.DatabaseError: There is no such row.
    """
    wal = _beside(path, "-wal")
    kept: dict[str, set[Any]] = {table: set() for table in PUT}
    lost: dict[int, str] = {}

    def sound_rows() -> Iterator[StoredRow]:
        for found in salvaged_rows(path, wal):
            if is_sound(found.table, found.row):
                kept[found.table].add(found.row[0] if found.table != "calls" else found.row[:2])
                yield found
            elif found.table == "problems" and found.is_current:
                lost[found.row[0]] = f"({found.row[1]!r})"

    _rewrite(path, sound_rows(), damage=damage)
    positions = kept["problems"]
    lost |= {position: "" for position in range(max(positions, default=0)) if position not in lost}
    names = [
        f"problem {position + 1} {name}".rstrip()
        for position, name in sorted(lost.items())
        if position not in positions
    ]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    logger.warning(
        "%s was damaged (%s): %d problems and %d calls are whole; %s; the damaged file is kept as %s",
        path,
        damage,
        len(positions),
        len(kept["calls"]),
        f"set aside and done again: {', '.join(names[:_NAMED])}{more}" if names else "what was lost is done again",
        _beside(path, ".damaged").name,
    )


def _rewrite(path: Path, rows: Iterable[StoredRow], *, damage: str | None = None) -> None:
    """Put a new journal of `rows` in the place of `path`; a damaged one is kept beside it.

    Of several rows of a problem, one that is settled stays: pages of the past hold rows of the past.
    """
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    with closing(connect(new)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(TABLES[FORMAT])
        connection.execute("BEGIN")
        for table, row, _ in rows:
            is_settled = table == "problems" and row[3] in ("done", "quarantined")
            connection.execute(PUT[table] if is_settled else PUT[table].replace("REPLACE", "IGNORE"), row)
        count = connection.total_changes
        connection.execute("COMMIT")
    if damage is not None:
        if not count:
            new.unlink()
            raise sqlite3.DatabaseError(damage)
        for file in (path, _beside(path, "-wal")):
            aside = _beside(file, ".damaged")
            aside.unlink(missing_ok=True)
            if file.exists():
                shutil.copyfile(file, aside)
    for suffix in ("-wal", "-shm"):
        _beside(path, suffix).unlink(missing_ok=True)
    os.replace(new, path)


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)
