"""Rows of problem sets, from files and from the Hugging Face hub; `load.py` makes problems of them."""

import csv
import gzip
import json
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from io import BufferedIOBase
from itertools import islice
from pathlib import Path
from typing import Literal, NoReturn

from critique_graph.core.errors import InputError, MissingDependencyError

_MAX_LINE = 10_000_000
"""Maximum number of bytes in a line (JSONL) or cell (CSV) that is read."""
_PIECE = 1 << 20
"""Characters of a JSON file that are read at once."""
_BEFORE_FIRST, _BEFORE_NEXT = re.compile(r"\s*\[\s*(?=[^\s\]])"), re.compile(r"\s*,\s*(?=\S)")
_END_OF_LIST = re.compile(r"\s*\]\s*|\s*\[\s*\]\s*")
_SEPARATORS = re.compile(r"[\s_-]+")
_HUB_SPEC = re.compile(r"hf:([\w.-]+/[\w.-]+)(?::([^:]*))?(?::([^:]+))?")


class JSONNumber(str):
    """A JSON number in the form it was written: `2.50` and integers of any size are kept."""

    __slots__ = ()


@dataclass(frozen=True)
class FileRow:
    """One row, and the place where it was found."""

    source: str
    unit: Literal["line", "row"]
    number: int
    """Number of the row: lines count from 1, as in editors; rows from 0, as in data frames."""
    fields: Mapping[str, object]

    def find(self, names: Sequence[str]) -> str | None:
        """Give the first field that has one of the names and is filled, or else the first that has one of them.

        Capitals, spaces, hyphens and underscores make no difference between two names.
        """
        by_key = _fields_by_key(tuple(self.fields))
        found = [field for name in names if (field := by_key.get(_key(name))) is not None]
        return next((field for field in found if self.fields[field] not in (None, "")), found[0] if found else None)

    def refuse(self, what: str) -> NoReturn:
        raise InputError(f"{self.source}, {self.unit} {self.number}: {what}")


@lru_cache(maxsize=64)
def _fields_by_key(fields: tuple[str, ...]) -> dict[str, str]:
    """Give the fields of a row by their keys; of fields with the same key, the first."""
    return {_key(field): field for field in reversed(fields)}


def _key(name: str) -> str:
    return _SEPARATORS.sub("", name).casefold()


def file_rows(path: Path) -> Iterator[FileRow]:
    """Give the rows of a file; its ending decides how it is read.

    Raises:
        InputError: The file cannot be used, or one of its rows; a row is only checked when it is reached.
    """
    readers = {
        ".jsonl": _jsonl_rows,
        ".jsonl.gz": _jsonl_rows,
        ".json": _json_rows,
        ".csv": _csv_rows,
        ".parquet": _parquet_rows,
    }
    if path.is_dir():
        raise InputError(f"{path}: this is a folder. Name a file in it.")
    if not path.exists():
        raise InputError(f"{path}: there is no such file. Give a problem file, 'miniature' or 'hf:owner/name'.")
    suffix = next((suffix for suffix in readers if path.name.lower().endswith(suffix)), None)
    if suffix is None:
        raise InputError(f"{path}: the ending must be one of {', '.join(readers)}.")
    return _readable(path, readers[suffix](path))


def has_fields(path: Path, *names: str) -> bool:
    """Tell whether one of the first rows of a file has all these fields; False for what is no file of rows."""
    if not path.is_file():
        return False
    try:
        return any(set(names) <= set(row.fields) for row in islice(file_rows(path), 20))
    except (InputError, MissingDependencyError):
        return False


def _readable(path: Path, rows: Iterator[FileRow]) -> Iterator[FileRow]:
    """Turn the exceptions of reading a broken file into an `InputError`."""
    try:
        yield from rows
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: this is not UTF-8 text (byte {error.start}: {error.reason}).") from error
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: it cannot be read ({error}).") from error


def _jsonl_rows(path: Path) -> Iterator[FileRow]:
    with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as file:
        for number, line in enumerate(_lines(file), start=1):
            place = f"{path}, line {number}"
            if len(line) > _MAX_LINE:
                raise InputError(f"{place}: it is over {_MAX_LINE // 1_000_000} MB long. Is this a JSONL file?")
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip()
            except UnicodeDecodeError as error:
                raise InputError(f"{place}: this is not UTF-8 text ({error.reason}).") from error
            if text:
                yield FileRow(str(path), "line", number, _object(_json(text, place), place))


def _lines(file: BufferedIOBase) -> Iterator[bytes]:
    """Lines of a file; of a line that is too long, only enough to show that it is."""
    while line := file.readline(_MAX_LINE + 1):
        yield line


def _json_rows(path: Path) -> Iterator[FileRow]:
    for number, row in enumerate(_json_items(path)):
        yield FileRow(str(path), "row", number, _object(row, f"{path}, row {number}"))


def _json_items(path: Path) -> Iterator[object]:
    """Give the items of a JSON list, and hold a piece of the file at a time.

    Where the list cannot be read further, the whole file is, for an error that names the place.
    """
    text, at, before = "", 0, _BEFORE_FIRST
    with suppress(UnicodeDecodeError), path.open(encoding="utf-8-sig") as file:
        while True:
            with suppress(ValueError, RecursionError):
                if (opened := before.match(text, at)) is not None:
                    item, at = _DECODER.raw_decode(text, opened.end())
                    before = _BEFORE_NEXT
                    yield item
                    continue
            piece = file.read(max(_PIECE, len(text) - at))
            if not piece:
                break
            text, at = text[at:] + piece, 0
        if _END_OF_LIST.fullmatch(text, at):
            return
    if not isinstance(_json(path.read_text(encoding="utf-8-sig"), str(path)), list):
        raise InputError(f"{path}: it holds no list of problems. One object per line is a .jsonl file.")


def _json(text: str, place: str) -> object:
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        # A JSONL file with the ending of JSON fails here too.
        reason = f"{error.msg}, column {error.colno}"
        if error.lineno > 1:
            reason += f" of line {error.lineno}; one object per line is a .jsonl file"
        raise InputError(f"{place}: this is not valid JSON ({reason}).") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{place}: this is not valid JSON ({error}).") from error


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a number; write null")


_DECODER = json.JSONDecoder(parse_int=JSONNumber, parse_float=JSONNumber, parse_constant=_refuse_constant)


def _object(row: object, place: str) -> dict[str, object]:
    if not isinstance(row, dict):
        raise InputError(f'{place}: a problem is an object like {{"question": ...}}, not a {type(row).__name__}.')
    return row


def _csv_rows(path: Path) -> Iterator[FileRow]:
    # The limit belongs to the whole module `csv`, so it is only ever raised.
    csv.field_size_limit(max(csv.field_size_limit(), _MAX_LINE))
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, restkey="", restval="", strict=True)
        try:
            for fields in reader:
                row = FileRow(str(path), "line", reader.line_num, fields)
                if "" in fields:
                    row.refuse("there are more cells than the header names. Quote cells that hold commas.")
                yield row
        except csv.Error as error:
            raise InputError(f"{path}, after line {reader.line_num}: this is not valid CSV ({error}).") from error


def _parquet_rows(path: Path) -> Iterator[FileRow]:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise MissingDependencyError("pyarrow", extra="data", purpose="Reading Parquet files") from error
    try:
        batches = parquet.ParquetFile(path).iter_batches(batch_size=256)
        rows = (row for batch in batches for row in batch.to_pylist())
        for number, row in enumerate(rows):
            yield FileRow(str(path), "row", number, row)
    except ArrowException as error:
        raise InputError(f"{path}: this is not a Parquet file that can be read ({error}).") from error


def hub_rows(spec: str, *, split: str = "test") -> Iterator[FileRow]:
    """Stream the rows of `hf:owner/name[:config[:split]]`; without a split, `split` is read, or the only one there is.

    Raises:
        InputError: The data set cannot be loaded, or streaming it fails later.
    """
    match = _HUB_SPEC.fullmatch(spec)
    if match is None:
        raise InputError(f"{spec}: a data set of the hub is named hf:owner/name[:config[:split]].")
    name, config, named = match.groups()
    try:
        from datasets import IterableDatasetDict, load_dataset
        from datasets.exceptions import DatasetsError
    except ImportError as error:
        raise MissingDependencyError("datasets", extra="data", purpose="Loading from the hub") from error
    try:
        rows = load_dataset(name, config or None, split=named, streaming=True)
        if isinstance(rows, IterableDatasetDict):
            if split not in rows and len(rows) > 1:
                raise InputError(f"{spec}: name the split, one of {', '.join(rows)}: hf:{name}:{config or ''}:SPLIT.")
            rows = rows[split] if split in rows else next(iter(rows.values()))
        for number, row in enumerate(rows):
            yield FileRow(spec, "row", number, row)
    except (OSError, ValueError, DatasetsError) as error:
        raise InputError(f"{spec}: it cannot be loaded ({' '.join(str(error).split())[:300]}).") from error
