"""Draws a pool of chains for every problem, and compares strategies on it; on a saved run, without calling a model."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from langchain_core.language_models import BaseChatModel
from pydantic import ValidationError

from critique_graph.calls.caller import Caller, CallKey
from critique_graph.compare.comparison import Comparison
from critique_graph.compare.equal_cost import compare_traces
from critique_graph.compare.settings import CompareSettings
from critique_graph.core.context import Context
from critique_graph.core.errors import InputError
from critique_graph.core.schema import Problem, Trace
from critique_graph.grading.grader import default_grader
from critique_graph.graphs.comparison_pool import create_pool
from critique_graph.graphs.prompts import loop_prompts, prompts_hash
from critique_graph.nodes.chat_local import ChatLocal
from critique_graph.nodes.solve import solve_messages
from critique_graph.problems.load import load_problems
from critique_graph.runs.drive import SessionEnd, drive
from critique_graph.runs.folder import JOURNAL, open_run, read_manifest
from critique_graph.runs.journal import read_journal
from critique_graph.runs.outcomes import Outcome, outcome_of
from critique_graph.runs.progress import Progress

_GRAPH_FIELDS = set(Context.model_fields) - {"actor", "critic"}


def compare_models(
    actor: BaseChatModel,
    critic: BaseChatModel,
    folder: Path,
    settings: CompareSettings,
    *,
    fresh: bool = False,
    progress: Progress | None = None,
) -> tuple[SessionEnd, Comparison | None]:
    """Draw the pool in a run's folder, or go on with it, and compare; nothing, while no problem is done.

    Raises:
        InputError: A problem has no reference answer.
        CritiqueGraphError: Other bad input, or a folder that cannot be written; nothing finished before is lost.
    """
    recorded = settings.model_dump(mode="json") | {"limit": settings.problem_limit}
    read = _problems(settings)
    total = None if settings.problems.startswith("hf:") else sum(1 for _ in read())  # finds bad rows before any call
    asyncio.run(_load(actor, critic))
    with open_run(folder, recorded, prompts=prompts_hash(loop_prompts()), fresh=fresh) as run:
        context = settings.model_dump(include=_GRAPH_FIELDS)
        pool = create_pool(actor, critic, votes=settings.all_votes, log=run.journal, **context)
        end = asyncio.run(
            drive(
                pool.compile(name="pool"),
                read(),
                run,
                settings=recorded,
                total=total,
                concurrency=settings.concurrency,
                progress=progress,
                judge=_outcome,
            )
        )
        counts = run.journal.counts()
        pending = max(total or 0, sum(counts.values())) - sum(counts.values()) + counts["pending"]
        run.write_manifest(end.state, reason=end.reason, outcomes={**counts, "pending": pending})
    return end, compare_run(folder) if counts["done"] else None


def compare_run(folder: str | Path) -> Comparison:
    """Compare all strategies that a run's journal holds the calls of: one of `compare`, or of `run` with samples.

    Args:
        folder: The run's folder; of a run that still goes on, the problems finished so far count.

    Raises:
        InputError: There is no such run in the folder, or nothing in it to compare.
        RunError: The run is damaged.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    if manifest is None or not (folder / JOURNAL).exists():
        raise InputError(f"{folder}: there is no run in this folder. Name one of `compare` or `run`, or problems.")
    rows = list(read_journal(folder / JOURNAL))
    try:
        traces = [Trace.model_validate_json(row.trace) for row in rows if row.trace and row.outcome.status == "done"]
    except ValidationError as error:
        raise InputError(f"{folder}: this is no run of `compare` or `run`.") from error
    return asyncio.run(
        compare_traces(
            traces,
            grader=default_grader(),
            seconds=float(manifest["seconds"]),
            run=str(folder),
            unfinished=max(sum(manifest["outcomes"].values()), len(rows)) - len(traces),
            seed=int(manifest["configuration"].get("seed", 0)),
        )
    )


def _problems(settings: CompareSettings) -> Callable[[], Iterable[Problem]]:
    def read() -> Iterator[Problem]:
        for problem in load_problems(
            settings.problems,
            question_field=settings.question_field,
            answer_field=settings.answer_field,
            limit=settings.problem_limit,
            seed=settings.seed,
        ):
            if problem.answer is None:
                raise InputError(f"problem {problem.id!r} has no reference answer; strategies are compared by it.")
            yield problem

    return read


async def _load(*models: BaseChatModel) -> None:
    """Have models in this process load, so that nobody's calls wait for it: their time is compared."""
    key = CallKey("", "actor", "", 0)
    for model in models:
        if isinstance(model, ChatLocal):
            await Caller(model, "actor", temperature=0.0, max_tokens=1, seed=0)(solve_messages("1 + 1"), key)


def _outcome(result: Mapping[str, Any]) -> Outcome:
    """Judge a pool by every call, those without a critic included."""
    controls = ({"failure": failure} for failure in result["failures"])
    return outcome_of({"chains": [*result["chains"], *controls]})
