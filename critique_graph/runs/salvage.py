"""Reads the rows of a damaged journal from its pages, without SQLite, which gives up at the first broken page.

Every page of the file and of its write-ahead log is read as a leaf of a B-tree, and every cell on it as a row
(https://www.sqlite.org/fileformat.html). What comes out may be garbage, or a row of the past: the caller checks each
row's checksum, and a row of the past is as true as it was then.
"""

import mmap
import sys
from array import array
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

PAGE = 4096
"""SQLite's size of pages by default; a journal has no other."""
_FRAME = 24 + PAGE
_WAL_HEADER = 32
_TABLE_OF_WIDTH = {7: "problems", 4: "calls", 3: "sessions"}
_LEAST_LOCAL = (PAGE - 12) * 32 // 255 - 23
_MOST_LOCAL = {0x0D: PAGE - 35, 0x0A: (PAGE - 12) * 64 // 255 - 23, 0x02: (PAGE - 12) * 64 // 255 - 23}
"""Most bytes of a row on its own page, by kind of page: leaf of a table, leaf and inner page of an index."""
_INTEGER_BYTES = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}


class StoredRow(NamedTuple):
    """A row as it was found; nothing is known of its truth."""

    table: str
    row: tuple[Any, ...]
    is_current: bool = True
    """False for what lies in the free space of a page."""


def salvaged_rows(file: Path, wal: Path) -> Iterator[StoredRow]:
    """Give everything on the pages of a journal that looks like a row of it."""
    with file.open("rb") as opened:
        content = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
        log = wal.read_bytes() if wal.exists() else b""
        frames = [log[start : start + _FRAME] for start in range(_WAL_HEADER, len(log) - _FRAME + 1, _FRAME)]
        salts = {log[16:24], *(frame[8:16] for frame in frames[:1])}
        latest = {int.from_bytes(frame[:4], "big"): frame[24:] for frame in frames if frame[8:16] in salts}

        def in_file(number: int) -> bytes:
            return content[(number - 1) * PAGE : number * PAGE]

        def at_last(number: int) -> bytes:
            return latest.get(number) or in_file(number)

        size = len(content) + len(log)
        for number in range(2, len(content) // PAGE + 1):
            yield from _rows(in_file(number), size, in_file, at_last)
        for frame in frames:
            yield from _rows(frame[24:], size, at_last, in_file)


def is_torn(log: bytes) -> bool:
    """Tell whether a write-ahead log holds commits that SQLite will not read: it stops at the first damaged frame."""
    if len(log) <= _WAL_HEADER:
        return False
    is_swapped = (log[3] & 1 == 0) != (sys.byteorder == "little")
    sums = _sums(log[:24], (0, 0), is_swapped=is_swapped)
    if log[:3] != b"\x37\x7f\x06" or sums != (_word(log, 24), _word(log, 28)):
        return True
    is_whole = True
    for start in range(_WAL_HEADER, len(log) - _FRAME + 1, _FRAME):
        has_salts = log[start + 8 : start + 16] == log[16:24]
        if is_whole:
            sums = _sums(log[start : start + 8] + log[start + 24 : start + _FRAME], sums, is_swapped=is_swapped)
            is_whole = has_salts and sums == (_word(log, start + 16), _word(log, start + 20))
        if not is_whole and has_salts and _word(log, start + 4):
            return True
    return False


def _sums(content: bytes, sums: tuple[int, int], *, is_swapped: bool) -> tuple[int, int]:
    words = array("I", content)
    if is_swapped:
        words.byteswap()
    first, second = sums
    pairs = iter(words)
    for one, two in zip(pairs, pairs, strict=True):
        first = (first + one + second) & 0xFFFFFFFF
        second = (second + two + first) & 0xFFFFFFFF
    return first, second


def _rows(page: bytes, size: int, *sources: Callable[[int], bytes]) -> Iterator[StoredRow]:
    """Give the rows on one page; what a row has on further pages is taken from each source in turn."""
    if not page or page[0] == 0:  # a page that continues a row; it is reached from the row
        return
    kinds = [page[0]] if page[0] in _MOST_LOCAL else list(_MOST_LOCAL)  # the kind itself may be damaged
    for kind in kinds:
        start = 12 if kind == 0x02 else 8
        count, smallest = _short(page, 3), PAGE
        for index in range((PAGE - start) // 2):
            if (place := start + 2 * index) >= smallest:
                break
            pointer = _short(page, place)
            if pointer >= start:
                smallest = min(smallest, pointer) if index < count else smallest
            for source in sources:
                with suppress(IndexError, ValueError, UnicodeDecodeError, KeyError, RecursionError):
                    table, row = _row(page, pointer, kind, size, source)
                    yield StoredRow(table, row, is_current=index < count)


def _row(page: bytes, at: int, kind: int, size: int, source: Callable[[int], bytes]) -> tuple[str, tuple[Any, ...]]:
    at += 4 if kind == 0x02 else 0
    length, at = _varint(page, at)
    number = None
    if kind == 0x0D:
        number, at = _varint(page, at)
    if not 0 < length <= size:
        raise ValueError("longer than the file")
    record = _record(_payload(page, at, length, _MOST_LOCAL[kind], source))
    table = _TABLE_OF_WIDTH[len(record)]
    if (number is None) != (table == "calls"):
        raise ValueError("not a page of this table")
    if table == "sessions":
        return table, (number, float(record[1]), record[2])
    return table, tuple(record) if number is None else (number, *record[1:])


def _payload(page: bytes, at: int, length: int, most: int, source: Callable[[int], bytes]) -> bytes:
    if length <= most:
        return page[at : at + length]
    local = _LEAST_LOCAL + (length - _LEAST_LOCAL) % (PAGE - 4)
    local = local if local <= most else _LEAST_LOCAL
    parts = [page[at : at + local]]
    following, left = _word(page, at + local), length - local
    while left > 0:
        more = source(following)
        if not more:
            raise ValueError("the row ends too early")
        following = _word(more, 0)
        parts.append(more[4 : 4 + left])
        left -= PAGE - 4
    return b"".join(parts)


def _record(payload: bytes) -> list[Any]:
    end, at = _varint(payload, 0)
    kinds = []
    while at < end:
        kind, at = _varint(payload, at)
        kinds.append(kind)
    if len(kinds) not in _TABLE_OF_WIDTH:
        raise ValueError("no row of a journal")
    values: list[Any] = []
    for kind in kinds:
        width = (kind - 12) // 2 if kind >= 12 else _INTEGER_BYTES.get(kind, 0)
        content = payload[at : at + width] if kind != 7 else payload[at : at + 8]
        at += len(content)
        values.append(_value(kind, content, width))
    return values


def _value(kind: int, content: bytes, width: int) -> Any:
    if kind == 7:
        return memoryview(content[::-1] if sys.byteorder == "little" else content).cast("d")[0]
    if len(content) != width:
        raise ValueError("the row ends too early")
    if kind >= 12:
        return content.decode() if kind % 2 else content
    if kind in _INTEGER_BYTES:
        return int.from_bytes(content, "big", signed=True)
    return {0: None, 8: 0, 9: 1}[kind]


def _varint(content: bytes, at: int) -> tuple[int, int]:
    value = 0
    for index in range(8):
        byte = content[at + index]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at + index + 1
    return value << 8 | content[at + 8], at + 9


def _short(content: bytes, at: int) -> int:
    return int.from_bytes(content[at : at + 2], "big")


def _word(content: bytes, at: int) -> int:
    return int.from_bytes(content[at : at + 4], "big")
