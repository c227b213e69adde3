"""The loop over a problem set, in a run folder."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from langgraph.graph.state import CompiledStateGraph
from pydantic import JsonValue

from critique_graph.core.schema import Problem
from critique_graph.runs.drive import CONCURRENCY, SessionEnd, drive
from critique_graph.runs.folder import JOURNAL, RunFolder, RunState
from critique_graph.runs.journal import read_journal
from critique_graph.runs.progress import Progress
from critique_graph.solve.summary import Summary, summarise


@dataclass(frozen=True)
class RunEnd:
    """The same of a run of the loop, with what was found."""

    state: RunState
    reason: str | None
    summary: Summary

    @property
    def exit_code(self) -> int:
        """As `SessionEnd.exit_code`."""
        return SessionEnd(self.state, self.reason).exit_code(failed=self.summary.failed + self.summary.quarantined)


async def run_problems(
    graph: CompiledStateGraph[Any, Any, Any, Any],
    problems: Iterable[Problem],
    run: RunFolder,
    *,
    settings: Mapping[str, JsonValue],
    total: int | None = None,
    concurrency: int = CONCURRENCY,
    progress: Progress | None = None,
) -> RunEnd:
    """Drive the actor-critic graph over `problems`, and summarise; see `drive`."""
    drained = await drive(
        graph, problems, run, settings=settings, total=total, concurrency=concurrency, progress=progress
    )
    rows = read_journal(run.path / JOURNAL)
    summary = summarise(rows, run=str(run.path), seconds=run.journal.seconds(), total=total)
    outcomes = {name: getattr(summary, name) for name in ("done", "failed", "quarantined", "pending")}
    run.write_manifest(drained.state, reason=drained.reason, outcomes=outcomes, tokens=summary.tokens.model_dump())
    return RunEnd(drained.state, drained.reason, summary)
