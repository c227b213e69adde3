"""Drives one compiled graph over many problems: bounded concurrency, outcomes that add up, resume, drain.

A fixed number of workers pull from one iterator, so memory is flat in the number of problems. Each problem
ends as `done`, `failed` or `quarantined` (`outcomes.py`); nothing that happens to one stops the others.
"""

import asyncio
import logging
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import orjson
from langchain_core.runnables import RunnableConfig
from langgraph.graph.state import CompiledStateGraph
from pydantic import JsonValue

from critique_graph.core.errors import CritiqueGraphError
from critique_graph.core.schema import TRACE_SCHEMA, Problem
from critique_graph.runs.folder import RunFolder, RunState
from critique_graph.runs.outcomes import Outcome, outcome_of, outcome_of_error
from critique_graph.runs.progress import Progress

logger = logging.getLogger(__name__)

CONCURRENCY = 64
"""Problems in flight at once."""
TROUBLES_IN_A_ROW = 20
"""So many problems with none between them that went well: something is wrong with all, and the run stops."""
DRAIN_SECONDS = 10.0
"""After the first SIGINT or SIGTERM, problems in flight have so long to end; then their calls are cut off."""
RECURSION_LIMIT = 256
"""Super-steps; the longest legal path, 100 rounds, takes 203."""


@dataclass(frozen=True)
class SessionEnd:
    """How a session of a run ended."""

    state: RunState
    reason: str | None
    """Why it stopped early; None otherwise."""

    def exit_code(self, *, failed: int) -> int:
        """Exit code of the process: 0 complete, 3 with failed problems, 4 stopped early, 130 interrupted."""
        if self.state == "interrupted":
            return 130
        if self.state == "stopped_early":
            return 4
        return 3 if failed else 0


async def drive(
    graph: CompiledStateGraph[Any, Any, Any, Any],
    problems: Iterable[Problem],
    run: RunFolder,
    *,
    settings: Mapping[str, JsonValue],
    total: int | None = None,
    concurrency: int = CONCURRENCY,
    progress: Progress | None = None,
    judge: Callable[[Mapping[str, Any]], Outcome] = outcome_of,
    suspect: Callable[[Mapping[str, Any]], str | None] = lambda result: None,
    is_enough: Callable[[], bool] = lambda: False,
    schema: str = TRACE_SCHEMA,
) -> SessionEnd:
    """Drive `graph` over `problems`, then write the run's traces.

    Problems that an earlier session finished are skipped; one it left halfway goes on from its last finished
    call. The first SIGINT or SIGTERM gives problems in flight `DRAIN_SECONDS` to end; the next one aborts.

    Args:
        graph: A compiled actor-critic graph whose `log` is `run.journal`.
        problems: Read one at a time, as workers become free; ids are unique.
        run: The folder, from `open_run`.
        settings: What the graph was created with; recorded in every trace.
        total: How many problems there are, where that is known: for the ETA, and to count those not reached.
        concurrency: Problems in flight at once.
        progress: Shows how the run goes.
        judge: Says how a problem ended, by the graph's result.
        suspect: Says what is wrong with a result that is done all the same, if anything: so many such problems in a
            row as those that are not done stop the run.
        is_enough: Asked before a problem is begun; once it says so, none is, and those in flight end.
        schema: What the traces call themselves.

    Raises:
        CritiqueGraphError: bad input, or a folder that cannot be written; nothing finished before is lost.
    """
    session = _Session(
        graph, problems, run, settings, progress or Progress(quiet=True), judge, suspect, is_enough, schema
    )
    with session.progress:
        session.progress.total = total
        await session.work(concurrency)
    run.write_traces()
    return SessionEnd(session.state, session.reason)


class _Session:
    """One process's work on a run."""

    def __init__(
        self,
        graph: CompiledStateGraph[Any, Any, Any, Any],
        problems: Iterable[Problem],
        run: RunFolder,
        settings: Mapping[str, JsonValue],
        progress: Progress,
        judge: Callable[[Mapping[str, Any]], Outcome],
        suspect: Callable[[Mapping[str, Any]], str | None],
        is_enough: Callable[[], bool],
        schema: str,
    ) -> None:
        self.state: RunState = "running"
        self.reason: str | None = None
        self.progress = progress
        self._graph = graph
        self._problems = enumerate(problems)
        self._journal = run.journal
        self._settings = dict(settings)
        self._judge = judge
        self._suspect = suspect
        self._is_enough = is_enough
        self._schema = schema
        self._config = RunnableConfig(recursion_limit=RECURSION_LIMIT)
        self._troubles: list[str] = []
        """What was wrong with the problems since the last one with which nothing was."""
        self._bound = asyncio.timeout(None)

    async def work(self, concurrency: int) -> None:
        """Run the problems; leaves `state` and `reason` saying how that ended."""
        try:
            with _on_signals(self._interrupt):
                async with self._bound, asyncio.TaskGroup() as group:
                    for _ in range(concurrency):
                        group.create_task(self._work_off())
        except TimeoutError:
            logger.warning("calls in flight were cut off; finished ones are kept")
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None  # all have one disk and one input: the first speaks for all
        if self.state == "running":
            self.state = "complete"

    async def _work_off(self) -> None:
        while self.state == "running" and not self._is_enough():
            if (numbered := next(self._problems, None)) is None:
                break
            position, problem = numbered
            with self._journal.problem(problem, position) as status:
                if status in ("done", "quarantined"):
                    self.progress.skip(status)
                    await asyncio.sleep(0)  # a long row of them must not keep signals waiting
                    continue
                await self._roll_out(problem)

    async def _roll_out(self, problem: Problem) -> None:
        started = time.perf_counter()
        result, trace = None, None
        try:
            result = await self._graph.ainvoke(problem.to_input(), self._config)
            trace = self._to_trace(problem, result, time.perf_counter() - started)
            outcome = self._judge(result)
        except CritiqueGraphError:  # not this problem's fault: a full disk, a model that cannot be loaded
            raise
        except Exception as error:  # the boundary: whatever a problem sets off becomes its outcome
            logger.debug("problem %s", problem.id, exc_info=True)
            outcome = outcome_of_error(error)
        await self._journal.settle(problem, outcome, trace)
        self.progress.update(outcome, result)
        trouble = self._suspect(result) if outcome.status == "done" and result is not None else None
        self._watch(trouble if outcome.status == "done" else f"{outcome.status} by {outcome.reason}")

    def _to_trace(self, problem: Problem, result: Mapping[str, Any], seconds: float) -> bytes:
        """Give the `Trace` of a result as JSON; the graph's output is plain JSON already."""
        return orjson.dumps(
            {
                "schema": self._schema,
                "problem": problem.model_dump(mode="json"),
                "graph": self._graph.get_name(),
                "settings": self._settings,
                **result,
                "seconds": round(seconds, 4),
            }
        )

    def _watch(self, trouble: str | None) -> None:
        """Stop the run when something is wrong with problem after problem."""
        self._troubles = [] if trouble is None else [*self._troubles, trouble]
        if len(self._troubles) == TROUBLES_IN_A_ROW and self.state == "running":
            self.reason = f"{TROUBLES_IN_A_ROW} problems in a row went wrong, the first {self._troubles[0]}"
            self._stop("stopped_early")

    def _interrupt(self) -> None:
        if self.state == "running":
            logger.warning("stopping: problems in flight have %.0f s to end; again to abort", DRAIN_SECONDS)
            self._stop("interrupted")
        elif not self._bound.expired():
            self._bound.reschedule(asyncio.get_running_loop().time())

    def _stop(self, state: RunState) -> None:
        self.state = state
        self._bound.reschedule(asyncio.get_running_loop().time() + DRAIN_SECONDS)


@contextmanager
def _on_signals(react: Callable[[], None]) -> Iterator[None]:
    """Call `react` on SIGINT and SIGTERM; outside the main thread signals are the application's affair."""
    signals = (signal.SIGINT, signal.SIGTERM) if threading.current_thread() is threading.main_thread() else ()
    loop = asyncio.get_running_loop()
    for number in signals:
        loop.add_signal_handler(number, react)
    try:
        yield
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
