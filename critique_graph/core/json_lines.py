"""Files of JSON lines: one value per line; a file is written whole or not at all, and read line by line."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, ValidationError

from critique_graph.core.errors import InputError
from critique_graph.core.files import write_atomically

AnyRecord = TypeVar("AnyRecord", bound=BaseModel)


def json_line(value: Any) -> bytes:
    """Write a record, or any value that JSON can represent, as one line."""
    return orjson.dumps(value.model_dump(mode="json", by_alias=True) if isinstance(value, BaseModel) else value) + b"\n"


def write_json_lines(file: Path, values: Iterable[Any]) -> int:
    """Replace `file` by the values, one per line, and return their number; a crash leaves the old file."""
    count = 0

    def lines() -> Iterator[bytes]:
        nonlocal count
        for value in values:
            count += 1
            yield json_line(value)

    write_atomically(file, lines())
    return count


def read_json_lines(file: Path) -> Iterator[tuple[int, Any]]:
    """Give the number of each line, counted from 1, and its value; empty lines are skipped.

    Raises:
        InputError: A line is not JSON.
    """
    for number, line in _numbered(file):
        try:
            yield number, orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise InputError(f"{file}, line {number} is not JSON: {error}.") from error


def read_records(file: Path, record: type[AnyRecord], name: str) -> Iterator[AnyRecord]:
    """Give every line as a record; empty lines are skipped.

    Args:
        file: The file.
        record: The record's class.
        name: What a line should be, for the error message, e.g. `a trace`.

    Raises:
        InputError: A line is not such a record.
    """
    for number, line in _numbered(file):
        try:
            yield record.model_validate_json(line)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            detail = f"{place}: {first['msg']}" if place else first["msg"]
            raise InputError(f"{file}, line {number} is not {name}: {detail}.") from error


def _numbered(file: Path) -> Iterator[tuple[int, bytes]]:
    with file.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.isspace():
                yield number, line
