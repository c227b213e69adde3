"""The table of problems of every verb but `run`: each problem has parts, such as paths, by which it is filtered."""

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from critique_graph.core.schema import Record, Usage
from critique_graph.output.terminal import escaped
from critique_graph.report.blocks import Blocks, Row
from critique_graph.report.kinds import DEFAULT_NAME, TRACE_FORMS, Verb, manifest_of
from critique_graph.report.layout import Look, Table, state_of
from critique_graph.report.problems import Cell
from critique_graph.report.read_run import ReportedRun, read_trace
from critique_graph.runs.folder import MANIFEST
from critique_graph.runs.record import RunRecord

_NUMBERS = re.compile(r"(\d+)")


class PartsCell(Cell):
    """A problem as a row of the table shows it, with its parts."""

    parts: tuple[tuple[str, ...], ...] = ()
    """For every part, its value under each filter of the page; each combination once."""
    chips: tuple[tuple[str, Look], ...] = ()
    """What the row says in short."""


@dataclass(frozen=True)
class Looked:
    """What a page shows of a trace."""

    parts: Sequence[tuple[str, ...]]
    chips: Sequence[tuple[str, Look]]
    tree: Record
    answer: str | None = None


@dataclass(frozen=True)
class Problems:
    """The problems of a page."""

    rows: list[Row]
    blocks: list[str]
    models: dict[str, str]
    """The models that played, by role, as the settings of the traces name them."""


def problems_of(run: ReportedRun, verb: Verb, look: Callable[[Any], Looked]) -> Problems:
    """Give the problems of a run, reading its traces one at a time.

    Args:
        run: The run.
        verb: The verb that made it.
        look: Gives what is shown of a trace.

    Raises:
        InputError: A trace cannot be read.
    """
    blocks, rows, models = Blocks(), list[Row](), dict[str, str]()
    with run.reading() as listed:
        for row in listed:
            trace: Any = read_trace(row, TRACE_FORMS[verb].record)
            outcome = row.outcome
            if trace is None:
                cell = PartsCell(status=outcome.status, reason=outcome.reason, chips=((outcome.status, "bad"),))
                rows.append(Row(id=row.id, question=None, reference=None, level=None, cells=(cell,)))
                continue
            looked = look(trace)
            chips = () if outcome.status == "done" else ((outcome.status, "bad"),)
            cell = PartsCell(
                status=outcome.status,
                reason=outcome.reason,
                answer=looked.answer,
                tokens=_tokens(trace.usage),
                seconds=trace.seconds,
                place=blocks.add(looked.tree.model_dump_json(by_alias=True).encode()),
                parts=tuple(dict.fromkeys(looked.parts)),
                chips=(*chips, *looked.chips),
            )
            problem = trace.problem
            rows.append(
                Row(id=row.id, question=problem.question, reference=problem.answer, level=problem.level, cells=(cell,))
            )
            models |= {role: str(trace.settings[role]) for role in trace.usage if trace.settings.get(role)}
    blocks.close()
    return Problems(rows, blocks.closed, models)


def _tokens(usage: Mapping[str, Usage]) -> int:
    return sum(used.total_tokens for role, used in usage.items() if role != "total")


def cost_table(run: ReportedRun) -> Table:
    """Lay out the calls and tokens of each role."""
    rows = [
        (role, f"{used.calls:,}", f"{used.input_tokens:,}", f"{used.output_tokens:,}", f"{used.total_tokens:,}")
        for role, used in run.finished.usage().items()
        if used.calls
    ]
    columns = ("role", "calls", "tokens read", "tokens written", "tokens")
    return Table("Cost by role", columns, rows, note="Calls of problems that are not done are counted, too.")


def outcome_figures(run: ReportedRun) -> Iterator[tuple[str, str]]:
    """Give the figures that every run has."""
    found = RunRecord(**run.finished.counts())
    yield "state", state_of(found.state)
    yield "problems", found.outcomes_in_words()
    if run.finished.reason:
        yield "stopped because", run.finished.reason
    yield "time", f"{found.seconds:,.1f} s"


def run_data(name: str, summary: Record, gaps: Sequence[str]) -> dict[str, Any]:
    """Give what the script, and whoever reads the file, gets of a folder."""
    return {"runs": [{"name": escaped(name), "summary": summary.model_dump(mode="json", by_alias=True), "gaps": gaps}]}


def runs_table(folder: Path, beside: Path) -> Table:
    """List the run folders inside a folder, with links to those of which a page was written.

    Args:
        folder: The folder.
        beside: Folder of the page, from which the links go.
    """
    found = [file.parent for file in folder.glob(f"*/**/{MANIFEST}")]
    rows, links = [], {}
    for run in sorted(found, key=_natural):
        name, counts = str(run.relative_to(folder)), manifest_of(run)["outcomes"]
        has_page = (run / DEFAULT_NAME).is_file()
        if has_page:
            links[name] = quote(os.path.relpath(run / DEFAULT_NAME, beside))
        done = f"{counts['done']:,} of {sum(counts.values()):,} done"
        rows.append((name, done, "" if has_page else f"critique-graph report {run}"))
    return Table("Runs in this folder", ("folder", "problems", "what writes its page"), rows, links=links)


def _natural(path: Path) -> list[str]:
    """Give what sorts `iteration-10` behind `iteration-9`."""
    return [part.zfill(9) if part.isdecimal() else part for part in _NUMBERS.split(str(path))]
