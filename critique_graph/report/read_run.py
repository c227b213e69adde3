"""Reads the folder of a run for its report, also of one that has not ended, or of which only the traces are left."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from pydantic import ValidationError

from critique_graph.core.errors import InputError
from critique_graph.core.json_lines import read_records
from critique_graph.core.schema import TRACE_SCHEMA, Trace
from critique_graph.runs.folder import JOURNAL, TRACES, read_manifest
from critique_graph.runs.journal import JournalRow, read_journal, read_untraced_usage
from critique_graph.runs.outcomes import STATUSES, outcome_of
from critique_graph.runs.record import FinishedRun

GRAPH = "actor_critic"
"""Name of the graph whose traces can be shown."""


@dataclass(frozen=True)
class ReportedRun:
    """A run as its report needs it."""

    finished: FinishedRun
    manifest: dict[str, Any]
    gaps: tuple[str, ...]
    """What the folder lacks, a sentence each."""


def read_run(folder: Path) -> ReportedRun:
    """Read a folder of `critique-graph run`: its problems are checked, and read again when they are asked for.

    Raises:
        InputError: There is no such folder, no run or no ended problem in it, or its traces are of another verb or
            version.
        RunError: The manifest or the journal is damaged.
    """
    if not folder.is_dir():
        raise InputError(
            f"{folder}: there is no such folder. Give the folder of a run (--out of `critique-graph run`)."
        )
    manifest = read_manifest(folder)
    if manifest is None:
        raise InputError(f"{folder}: there is no manifest.json, so this is not the folder of a run.")
    has_journal = (folder / JOURNAL).exists()
    if not has_journal and not (folder / TRACES).exists():
        raise InputError(f"{folder}: there is neither {JOURNAL} nor {TRACES}; nothing can be shown.")

    def rows() -> Iterable[JournalRow]:
        return read_journal(folder / JOURNAL) if has_journal else _rows_of_traces(folder / TRACES)

    counts = Counter(row.outcome.status for row in _checked(folder, rows()))
    if not counts:
        raise InputError(f"{folder}: no problem of this run has been begun; nothing can be shown.")
    recorded = sum(manifest["outcomes"].values())
    outcomes = {status: counts[status] for status in STATUSES}
    outcomes["pending"] += max(0, recorded - sum(counts.values()))
    return ReportedRun(
        FinishedRun(
            rows=rows,
            outcomes=outcomes,
            folder=folder,
            seconds=manifest["seconds"],
            state=manifest["state"],
            reason=manifest.get("reason"),
            untraced=read_untraced_usage(folder / JOURNAL) if has_journal else {},
        ),
        manifest,
        tuple(_gaps(manifest, outcomes, has_journal=has_journal)),
    )


def _checked(folder: Path, rows: Iterable[JournalRow]) -> Iterator[JournalRow]:
    """Give the rows, and refuse the first trace that cannot be shown."""
    for row in rows:
        if row.trace is not None:
            _refuse_others(folder, row)
        yield row


def _refuse_others(folder: Path, row: JournalRow) -> None:
    found = orjson.loads(row.trace or b"{}")
    schema, graph = found.get("schema"), found.get("graph")
    if (schema, graph) != (TRACE_SCHEMA, GRAPH):
        raise InputError(
            f"{folder} holds traces of the form {schema}, made by {graph}; `report` reads folders of "
            f"`critique-graph run` ({TRACE_SCHEMA}, made by {GRAPH})."
        )


def _rows_of_traces(file: Path) -> Iterator[JournalRow]:
    for trace in read_records(file, Trace, "a trace"):
        if trace.graph != GRAPH:
            raise InputError(
                f"{file} holds traces made by {trace.graph}; `report` reads those of `critique-graph run`."
            )
        chains = [chain.model_dump(include={"failure"}) for chain in trace.chains]
        yield JournalRow(
            trace.problem.id, outcome_of({"chains": chains}), trace.model_dump_json(by_alias=True).encode()
        )


def _gaps(manifest: dict[str, Any], outcomes: dict[Any, int], *, has_journal: bool) -> Iterator[str]:
    reason = manifest.get("reason")
    if manifest["state"] == "running":
        yield "The run has not ended, or was killed: the figures are those of the problems that have ended so far."
    elif manifest["state"] != "complete":
        yield f"The run ended early{f' ({reason})' if reason else ''}: {outcomes['pending']} problems were not played."
    if not has_journal:
        yield (
            "The journal is missing, so how a problem ended is read from its trace, and problems without a trace count "
            "as pending."
        )


def read_trace(row: JournalRow) -> Trace | None:
    """Give the trace of a row, if it has one.

    Raises:
        InputError: It is not one that this version can read.
    """
    if row.trace is None:
        return None
    try:
        return Trace.model_validate_json(row.trace)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise InputError(f"the trace of {row.id} cannot be read: {place}: {first['msg']}.") from error
