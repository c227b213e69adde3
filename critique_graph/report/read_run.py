"""Reads the folder of a run for its report, also of one that has not ended, or of which only the traces are left."""

from collections import Counter
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from pydantic import ValidationError

from critique_graph.core.errors import InputError
from critique_graph.core.json_lines import read_json_lines, read_records
from critique_graph.report.kinds import TRACE_FORMS, TraceForm, Verb, manifest_of
from critique_graph.runs.folder import JOURNAL, TRACES
from critique_graph.runs.journal import JournalRow, read_journal, read_untraced_usage
from critique_graph.runs.outcomes import STATUSES, outcome_of, outcome_of_parts
from critique_graph.runs.record import FinishedRun, ServerShare
from critique_graph.runs.traces import AnyTrace


@dataclass(frozen=True)
class ReportedRun:
    """A run as its report needs it."""

    finished: FinishedRun
    manifest: dict[str, Any]
    gaps: tuple[str, ...]
    """What the folder lacks, a sentence each."""

    @contextmanager
    def reading(self) -> Iterator[Iterable[JournalRow]]:
        """Give the journal's problems, from the start; see `reading`."""
        with reading(self.finished.rows()) as rows:
            yield rows


@contextmanager
def reading(rows: Iterable[JournalRow]) -> Iterator[Iterable[JournalRow]]:
    """Give rows, and close the journal also after an error: later, another thread may do it, which SQLite refuses."""
    try:
        yield rows
    finally:
        if isinstance(rows, Generator):
            rows.close()


def read_run(folder: Path, verb: Verb = "run") -> ReportedRun:
    """Read the run folder of a verb: its problems are checked, and read again when they are asked for.

    Raises:
        InputError: There is no run or no ended problem in it, or its traces are of another verb or version.
        RunError: The manifest or the journal is damaged.
    """
    manifest, form = manifest_of(folder), TRACE_FORMS[verb]
    has_journal = (folder / JOURNAL).exists()
    if not has_journal and not (folder / TRACES).exists():
        raise InputError(f"{folder}: there is neither {JOURNAL} nor {TRACES}; nothing can be shown.")

    def rows() -> Iterable[JournalRow]:
        return read_journal(folder / JOURNAL) if has_journal else _rows_of_traces(folder / TRACES, form)

    counts = Counter(row.outcome.status for row in _checked(folder, rows(), verb))
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
            servers=tuple(map(ServerShare.model_validate, manifest.get("servers", ()))),
            untraced=read_untraced_usage(folder / JOURNAL) if has_journal else {},
        ),
        manifest,
        tuple(_gaps(manifest, outcomes, has_journal=has_journal)),
    )


def _checked(folder: Path, rows: Iterable[JournalRow], verb: Verb) -> Iterator[JournalRow]:
    """Give the rows, and refuse the first trace that cannot be shown."""
    with reading(rows):
        for row in rows:
            if row.trace is not None:
                _refuse_others(folder, row.trace, verb)
            yield row


def _refuse_others(folder: Path, trace: bytes, verb: Verb) -> None:
    found, form = orjson.loads(trace), TRACE_FORMS[verb]
    schema, graph = found.get("schema"), found.get("graph")
    if schema != form.schema or graph not in form.graphs:
        raise InputError(
            f"{folder} holds traces of the form {schema}, made by {graph}; its manifest is that of "
            f"`critique-graph {verb}` ({form.schema}, made by {form.graphs[0]})."
        )


def _rows_of_traces(file: Path, form: TraceForm) -> Iterator[JournalRow]:
    for trace, (_, found) in zip(read_records(file, form.record, "a trace"), read_json_lines(file), strict=True):
        parts = [{"failure": None, **part} for part in found[form.parts]]
        outcome = outcome_of({"chains": parts}) if form.parts == "chains" else outcome_of_parts(parts)
        yield JournalRow(trace.problem.id, outcome, orjson.dumps(found))  # type: ignore[attr-defined]  # every form has


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


def read_trace(row: JournalRow, form: type[AnyTrace]) -> AnyTrace | None:
    """Give the trace of a row, if it has one.

    Raises:
        InputError: It is not one that this version can read.
    """
    if row.trace is None:
        return None
    try:
        return form.model_validate_json(row.trace)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise InputError(f"the trace of {row.id} cannot be read: {place}: {first['msg']}.") from error
