"""Opening the file of a run's journal for writing: a damaged one is mended, and one of an earlier format rewritten."""

import logging
import os
import shutil
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from critique_graph.runs.journal_file import (
    FORMAT,
    OLD_FORMAT,
    PUT,
    TABLES,
    beside,
    check_structure,
    checksummed,
    comes_from_outside,
    connect,
    explained,
    has_no_tables,
    is_sound,
    refuse_links,
    refuse_torn_log,
)
from critique_graph.runs.salvage import StoredRow, salvaged_rows

logger = logging.getLogger(__name__)

_NAMED = 5
"""Most problems that a report of damage names."""


def open_journal(path: Path) -> sqlite3.Connection:
    """Open a journal for writing: a new one is made, one of format 1 is rewritten, a damaged one is mended.

    Raises:
        RunError: The file cannot be read or written, is no journal, or has a format of a newer version.
    """
    with explained(path):
        refuse_links(path)
        if (damage := _find_damage(path)) is not None:
            _mend(path, damage)
        with closing(connect(path)) as connection:
            is_old = connection.execute("PRAGMA user_version").fetchone() == (OLD_FORMAT,)
            old_rows = _rows_of_old_format(connection) if is_old else ()
            if is_old:
                _rewrite(path, old_rows)
        connection = connect(path)
        try:
            if has_no_tables(connection):
                connection.execute("PRAGMA journal_mode = WAL")
                connection.executescript(TABLES[FORMAT])
            connection.execute(
                "PRAGMA synchronous = FULL"
            )  # as fast as NORMAL at 20 commits a second, and safe in a power cut
        except BaseException:
            connection.close()
            raise
        return connection


def _find_damage(path: Path) -> str | None:
    """Say what is damaged in a journal, or give None.

    Raises:
        RunError: It has a format of a newer version.
        sqlite3.Error: It cannot be used, for a reason outside of it.
    """
    if not path.exists() or not path.stat().st_size:
        return None
    try:
        refuse_torn_log(path)
        with closing(connect(path)) as connection:
            if has_no_tables(connection):
                pages = connection.execute("PRAGMA page_count").fetchone()[0]
                return "its tables are missing" if pages > 1 else None
            if check_structure(connection, path, "integrity_check(1)") == FORMAT:
                for table in ("problems", "sessions"):
                    for row in connection.execute(f"SELECT * FROM {table}"):  # noqa: S608 - names of our own
                        if not is_sound(table, row):
                            return "a row is not as it was written"
    except sqlite3.Error as error:
        if comes_from_outside(error):
            raise
        return str(error)
    return None


def _rows_of_old_format(connection: sqlite3.Connection) -> Iterator[StoredRow]:
    for table in PUT:
        for row in connection.execute(f"SELECT * FROM {table}"):  # noqa: S608 - names of our own
            yield StoredRow(table, checksummed(table, *row))


def _mend(path: Path, damage: str) -> None:
    """Replace a damaged journal by one of all rows that are as they were written, and report what is lost.

    Raises:
        sqlite3.DatabaseError: There is no such row.
    """
    wal = beside(path, "-wal")
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
        beside(path, ".damaged").name,
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
        for file in (path, beside(path, "-wal")):
            aside = beside(file, ".damaged")
            aside.unlink(missing_ok=True)
            if file.exists():
                shutil.copyfile(file, aside)
    for suffix in ("-wal", "-shm"):
        beside(path, suffix).unlink(missing_ok=True)
    os.replace(new, path)
