"""The file of a run's journal: its tables, the checksum of every row, and how they are read.

SQLite's own checks see the structure of its pages, not what the rows hold: a bit that flips in a reply or a trace goes
unseen. So every row carries a checksum over its columns, and every row is checked when it is read. The checksum is
BLAKE2b of 8 bytes: as fast as the disk, and damage of any kind passes once in 2^64 rows (CRC32 would do for one bit,
but not for the rows of whole pages that a disk mixed up).
"""

import hashlib
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from critique_graph.core.errors import RunError
from critique_graph.runs.links import refuse_link
from critique_graph.runs.salvage import PAGE, is_torn

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


def read_problems(path: Path) -> Iterator[tuple[Any, ...]]:
    """Give position, id, digest, status, reason and trace of a journal's problems in order, each one checked.

    Raises:
        RunError: The file cannot be read, is damaged, or has a format of a newer version.
    """
    refuse_links(path)
    with explained(path), closing(connect(path, read_only=True)) as connection:
        refuse_torn_log(path)
        found = check_structure(connection, path, "quick_check(problems)")
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
    refuse_links(path)
    with explained(path), closing(connect(path, read_only=True)) as connection:
        refuse_torn_log(path)
        is_old = connection.execute("PRAGMA user_version").fetchone() == (OLD_FORMAT,)
        for row in connection.execute(_UNTRACED_CALLS if untraced else _CALLS):
            if is_old or is_sound("calls", row):
                yield row[:3]


def refuse_links(path: Path) -> None:
    """Raise `RunError` if a file of the journal is a link."""
    for file in (path, beside(path, "-wal"), beside(path, "-shm")):
        refuse_link(file)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into one clear line."""
    try:
        yield
    except sqlite3.Error as error:
        if comes_from_outside(error):
            raise RunError(
                f"cannot use {path}: {error}. Nothing committed is lost; the same command resumes."
            ) from error
        raise RunError(
            f"{path} is damaged or no journal: {error}. The run's own command mends what can be read and does the "
            "rest again; or use --fresh to start over."
        ) from error
    except OSError as error:
        raise RunError(f"cannot use {path}: {error.strerror}.") from error


def comes_from_outside(error: sqlite3.Error) -> bool:
    """Tell whether an error leaves the file sound."""
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


def refuse_torn_log(path: Path) -> None:
    """Refuse a write-ahead log with a damaged commit, where SQLite would only see the commits before it."""
    log = beside(path, "-wal")
    if not log.exists() or not is_torn(content := log.read_bytes()):
        return
    time.sleep(SETTLING_SECONDS)
    if log.exists() and log.read_bytes() == content:  # otherwise a process was writing it
        raise sqlite3.DatabaseError("its last commits are torn")


def has_no_tables(connection: sqlite3.Connection) -> bool:
    """Tell whether a file is empty to SQLite, as a new one is."""
    return bool(connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,))


def check_structure(connection: sqlite3.Connection, path: Path, check: str) -> int:
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


def beside(path: Path, suffix: str) -> Path:
    """Give the file with a suffix behind a journal's name."""
    return path.with_name(path.name + suffix)
