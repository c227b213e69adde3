"""Reads the traces of a finished run, of a run that still goes on, or of a file alone."""

import hashlib
import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from critique_graph.core.errors import InputError
from critique_graph.core.json_lines import read_records
from critique_graph.core.schema import Record, Trace
from critique_graph.runs.folder import JOURNAL, TRACES, read_manifest
from critique_graph.runs.journal import JournalRow, read_journal
from critique_graph.runs.links import refuse_link

logger = logging.getLogger(__name__)

AnyTrace = TypeVar("AnyTrace", bound=Record)


def read_traces(path: str | Path) -> Iterator[Trace]:
    """Read traces one at a time, in problem order.

    Args:
        path: A run folder, or a `traces.jsonl`; a run that has not ended gives the problems finished so far.

    Raises:
        InputError: there are no traces at `path`, or a line is not one.
        RunError: the manifest, or the journal of an unfinished run, is damaged.
    """
    path = Path(path)
    if path.is_dir():
        refuse_link(path / TRACES)
    if path.is_dir() and (path / JOURNAL).exists() and not _has_ended(path):
        return (Trace.model_validate_json(row.trace) for row in read_journal(path / JOURNAL) if row.trace is not None)
    file = path / TRACES if path.is_dir() else path
    if not file.is_file():
        raise InputError(f"{file}: there are no traces here. Give a run folder or a traces.jsonl.")
    return read_records(file, Trace, "a trace")


def finished_traces(rows: Iterable[JournalRow], kind: type[AnyTrace], verb: str) -> Iterator[AnyTrace]:
    """Give the traces of a journal's finished problems.

    Args:
        rows: The journal's problems.
        kind: Record of the traces.
        verb: The verb that writes such traces, for the error.

    Raises:
        InputError: The journal is of another verb.
    """
    for row in rows:
        if row.trace is not None and row.outcome.status == "done":
            try:
                yield kind.model_validate_json(row.trace)
            except ValidationError as error:
                raise InputError(f"the trace of {row.id} is not one of `critique-graph {verb}`.") from error


def _has_ended(folder: Path) -> bool:
    """Tell whether `traces.jsonl` holds all that the journal has, as the run wrote it."""
    file = folder / TRACES
    if (manifest := read_manifest(folder)) is None:
        return file.exists()
    if manifest["state"] == "running" or not file.exists():
        return False
    if manifest.get("traces_checksum") in (None, _checksum(file)):  # earlier versions wrote no checksum
        return True
    logger.warning("%s is not as the run wrote it; the traces are read from the journal", file)
    return False


def _checksum(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, lambda: hashlib.blake2b(digest_size=8)).hexdigest()
