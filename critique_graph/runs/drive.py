"""Runs one graph over many problems in a run folder: bounded concurrency, outcomes, resuming, an orderly stop.

A fixed number of workers pull from one iterator, so memory is flat in the number of problems. Each problem
ends as `done`, `failed` or `quarantined` (`outcomes.py`); nothing that happens to one stops the others.
"""

import asyncio
import gc
import itertools
import logging
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import orjson
from langchain_core.runnables import RunnableConfig
from langgraph.graph.state import CompiledStateGraph
from pydantic import JsonValue

from critique_graph.calls.breaker import Breakers, Patience
from critique_graph.calls.budget import Budget, Limits, within_budget
from critique_graph.calls.caller import CallLog
from critique_graph.calls.contract import learned
from critique_graph.calls.traffic import counted_traffic
from critique_graph.core import command_line
from critique_graph.core.async_node import unwatched
from critique_graph.core.errors import CritiqueGraphError
from critique_graph.core.schema import TRACE_SCHEMA, Problem
from critique_graph.core.weights import without_paths
from critique_graph.problems.problem_set import ProblemSet
from critique_graph.runs.finish import finish
from critique_graph.runs.folder import JOURNAL, RunFolder, RunState, open_run
from critique_graph.runs.journal import read_usages
from critique_graph.runs.outcomes import Outcome, outcome_of, outcome_of_error
from critique_graph.runs.progress import Progress
from critique_graph.runs.record import Ended, FinishedRun, Price, shares
from critique_graph.runs.session_journal import SessionJournal

logger = logging.getLogger(__name__)

Found = TypeVar("Found", bound=Ended)

CONCURRENCY = 64
"""Problems in flight at once."""
TROUBLES_IN_A_ROW = 20
"""Number of problems that must go wrong in a row for the run to stop: all of them then share some fault."""
DRAIN_SECONDS = 8.0
"""Seconds that problems in flight have to end after the first SIGINT or SIGTERM; then their calls are cut off."""
CLOSING_SECONDS = 1.0
"""Seconds that are left after that, or after the second signal, before `command_line.end_process` is called."""
TICK_SECONDS = 5.0
"""Seconds after which the display of the progress is asked whether a line is due."""
RECURSION_LIMIT = 256
"""Most super-steps of a graph; the longest legal path, 100 rounds, takes 203."""


async def run_graph(
    create: Callable[[CallLog], CompiledStateGraph[Any, Any, Any, Any]],
    problems: ProblemSet,
    folder: Path,
    configuration: Mapping[str, JsonValue],
    summarise: Callable[[FinishedRun], Found],
    *,
    prompts: str,
    fresh: bool = False,
    journal: str | None = None,
    concurrency: int = CONCURRENCY,
    patience: Patience = Patience(),  # noqa: B008 - frozen
    limits: Limits = Limits(),  # noqa: B008 - frozen
    prices: Mapping[str, Price] = MappingProxyType({}),
    progress: Progress | None = None,
    outcome_of: Callable[[Mapping[str, Any]], Outcome] = outcome_of,
    warn_about: Callable[[Mapping[str, Any]], str | None] = lambda result: None,
    stop_when: Callable[[], bool] = lambda: False,
    schema: str = TRACE_SCHEMA,
) -> Found:
    """Run a graph over problems in a run folder, or resume it; write the traces and the manifest, and summarise.

    Problems that an earlier session finished are skipped; a problem that it left halfway resumes after its last
    finished call. The first SIGINT or SIGTERM gives problems in flight `DRAIN_SECONDS` to end; the next one aborts.

    Args:
        create: Creates the compiled graph, whose `log` is the journal.
        problems: The problems, with unique ids; they are read one at a time, as workers become free.
        folder: The run folder; it is made if it does not exist.
        configuration: The settings; a resumed run must agree with them, and every trace records them.
        summarise: Summarises the run once the session has ended.
        prompts: Hash of the prompts' wording.
        fresh: Delete what an earlier run left in the folder first.
        journal: Address of a journal that other processes share; None: the folder's own.
        concurrency: Problems in flight at once.
        patience: How long calls wait for a server. The run stops when a server is out for longer.
        limits: What the run may spend, over all of its sessions; problems for which that is too little stay pending.
        prices: Prices by role, for what the record says of money.
        progress: Shows how the run goes.
        outcome_of: Tells how a problem ended from the graph's result.
        warn_about: Says what is wrong with the result of a problem that is done, or gives None. The run stops when
            `TROUBLES_IN_A_ROW` problems in a row are not done or are warned about.
        stop_when: Asked before each problem; once it is true, no more problems start, and those in flight end.
        schema: Name of the format of the traces.

    Raises:
        CritiqueGraphError: bad input, or a folder that cannot be written; nothing finished before is lost.
    """
    with open_run(folder, configuration, prompts=prompts, fresh=fresh, problems=problems.read()) as run:
        rules = _Rules(outcome_of, warn_about, stop_when, schema)
        progress = progress or Progress(quiet=True)
        with unwatched(), counted_traffic() as progress.traffic, within_budget(_budget(limits, run)) as budget:
            async with Breakers(patience) as breakers:
                with run.working_journal(problems.read(), shared=journal) as log:
                    progress.total = problems.total
                    session = _Session(create(log), log, run, rules, breakers, budget, progress)
                    await session.work(concurrency)
        return await finish(
            run,
            session.state,
            summarise,
            reason=session.reason,
            total=problems.total or 0,
            left_out=problems.left_out,
            prices=prices,
            probed=learned(),
            servers=shares(progress.traffic.servers),
        )


def _budget(limits: Limits, run: RunFolder) -> Budget:
    """Give the budget of a session, of which earlier sessions have spent their part."""
    if limits.is_none:  # then no call needs to be read
        return Budget()
    spent = [usage for _, usage in read_usages(run.path / JOURNAL)]
    return Budget(limits, earlier=spent, seconds=run.journal.seconds())


@dataclass(frozen=True)
class _Rules:
    """The rules of a session; `run_graph` describes them."""

    outcome_of: Callable[[Mapping[str, Any]], Outcome]
    warn_about: Callable[[Mapping[str, Any]], str | None]
    stop_when: Callable[[], bool]
    schema: str


class _Session:
    """One process's work on a run."""

    def __init__(
        self,
        graph: CompiledStateGraph[Any, Any, Any, Any],
        journal: SessionJournal,
        run: RunFolder,
        rules: _Rules,
        breakers: Breakers,
        budget: Budget,
        progress: Progress,
    ) -> None:
        self.state: RunState = "running"
        self.reason: str | None = None
        self._graph = graph
        self._journal = journal
        self._settings = without_paths(run.configuration)
        for name in ("shard", "journal"):  # a trace is the same in whatever process
            self._settings.pop(name, None)
        self._prompts = run.prompts
        self._rules = rules
        self._breakers = breakers
        self._budget = budget
        self._progress = progress
        self._config = RunnableConfig(recursion_limit=RECURSION_LIMIT)
        self._troubles: list[str] = []
        """What was wrong with each problem since the last one that went well."""
        self._bound = asyncio.timeout(None)

    async def work(self, concurrency: int) -> None:
        """Run the problems; afterwards, `state` and `reason` say how the session ended."""
        try:
            with self._progress, _on_signals(self._interrupt), _rare_collections():
                async with self._bound, _ticking(self._progress, self._journal), asyncio.TaskGroup() as group:
                    for _ in range(concurrency):
                        group.create_task(self._work_off())
        except TimeoutError:
            logger.warning("calls in flight were cut off; finished ones are kept")
        except ExceptionGroup as errors:
            # Every worker shares the disk and the input, so the first error is enough.
            raise errors.exceptions[0] from None
        if self.state == "running":
            self.state = "complete"

    async def _work_off(self) -> None:
        while self.state == "running" and not self._journal.is_finished and not self._rules.stop_when():
            taken = await self._journal.take()
            if taken is None or self.state != "running":
                continue
            position, problem = taken
            with self._journal.problem(problem, position) as status:
                if status in ("done", "quarantined"):
                    self._progress.skip(status)
                    await asyncio.sleep(0)  # many skipped problems in a row must not delay signals
                    continue
                await self._roll_out(problem)

    async def _roll_out(self, problem: Problem) -> None:
        if self._budget.spent is not None:
            self._end_of_budget()
            return
        started = time.perf_counter()
        result, trace = None, None
        try:
            result = await self._graph.ainvoke(problem.to_input(), self._config)
            trace = self._to_trace(problem, result, time.perf_counter() - started)
            outcome = self._rules.outcome_of(result)
        except CritiqueGraphError:  # not the problem's fault: a full disk, a model that cannot be loaded
            raise
        except Exception as error:  # the boundary: any exception of a problem becomes its outcome
            logger.debug("problem %s", problem.id, exc_info=True)
            outcome = outcome_of_error(error)
        if problem.id in self._budget.refused:  # whatever the graph made of the calls that were not made
            self._end_of_budget()
            return
        if not await self._journal.settle(problem, outcome, trace):
            logger.warning("problem %s was taken over by another process; its outcome here is dropped", problem.id)
            return
        self._progress.update(outcome, result)
        trouble = self._rules.warn_about(result) if outcome.status == "done" and result is not None else None
        self._watch(trouble if outcome.status == "done" else f"{outcome.status} by {outcome.reason}")

    def _to_trace(self, problem: Problem, result: Mapping[str, Any], seconds: float) -> bytes:
        """Give the `Trace` of a result as JSON; the graph's output is plain JSON already."""
        return orjson.dumps(
            {
                "schema": self._rules.schema,
                "problem": problem.model_dump(mode="json"),
                "graph": self._graph.get_name(),
                "settings": self._settings,
                "prompts": self._prompts,
                **result,
                "seconds": round(seconds, 4),
            }
        )

    def _watch(self, trouble: str | None) -> None:
        """Stop the run when a server is lost, or when too many problems in a row went wrong."""
        self._troubles = [] if trouble is None else [*self._troubles, trouble]
        if self.state != "running":
            return
        if self._breakers.lost is not None:
            self.reason = self._breakers.lost
            self._stop("stopped_early")
        elif len(self._troubles) == TROUBLES_IN_A_ROW:
            self.reason = f"{TROUBLES_IN_A_ROW} problems in a row went wrong, the first {self._troubles[0]}"
            self._stop("stopped_early")

    def _end_of_budget(self) -> None:
        """Start no more problems; calls in flight may end, since they are spent already."""
        if self.state == "running":
            self.state, self.reason = "stopped_early", self._budget.spent

    def _interrupt(self) -> None:
        if self.state == "running":
            logger.warning("stopping: problems in flight have %.0f s to end; again to abort", DRAIN_SECONDS)
            self._stop("interrupted")
        elif not self._bound.expired():
            self._bound.reschedule(asyncio.get_running_loop().time())

    def _stop(self, state: RunState) -> None:
        self.state = state
        self._bound.reschedule(asyncio.get_running_loop().time() + DRAIN_SECONDS)


@asynccontextmanager
async def _ticking(progress: Progress, journal: SessionJournal) -> AsyncIterator[None]:
    """Let the display say at times that the run goes on, also while no problem ends."""

    async def tick() -> None:
        while True:
            progress.note_elsewhere(journal.elsewhere)
            await asyncio.sleep(TICK_SECONDS)
            progress.tick()

    ticker = asyncio.create_task(tick())
    try:
        yield
    finally:
        ticker.cancel()


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Keep the garbage collector from walking through every loaded module again and again.

    A full collection walks through all objects of the process, a million once torch is loaded, and holds the event loop
    for 150 ms. Objects from before the run are left out of it, and young ones are collected in larger lots.
    """
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(50_000, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


@contextmanager
def _on_signals(react: Callable[[], None]) -> Iterator[None]:
    """Call `react` on SIGINT and SIGTERM; outside the main thread, the application handles signals."""
    signals = (signal.SIGINT, signal.SIGTERM) if threading.current_thread() is threading.main_thread() else ()
    loop, seen = asyncio.get_running_loop(), itertools.count()

    def handle(*_: object) -> None:  # runs at once; a handler of the loop would wait until a busy loop gets to it
        if command_line.end_process is not None:
            seconds = CLOSING_SECONDS + (DRAIN_SECONDS if next(seen) == 0 else 0)
            timer = threading.Timer(seconds, command_line.end_process)
            timer.daemon = True
            timer.start()
        loop.call_soon_threadsafe(react)

    before = {number: signal.signal(number, handle) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
