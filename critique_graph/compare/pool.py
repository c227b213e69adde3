"""Draws a pool of chains for every problem and compares strategies on it; a saved run needs no model calls."""

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from langchain_core.language_models import BaseChatModel
from pydantic import ValidationError

from critique_graph.calls.caller import Caller, CallKey
from critique_graph.compare.comparison import Comparison
from critique_graph.compare.equal_cost import compare_traces
from critique_graph.compare.settings import CompareSettings
from critique_graph.core.async_node import wait_for
from critique_graph.core.context import ChainContext
from critique_graph.core.errors import InputError, NothingDoneError
from critique_graph.core.schema import Trace
from critique_graph.graphs.comparison_pool import create_pool
from critique_graph.graphs.prompts import loop_prompts, prompts_hash
from critique_graph.nodes.chat_local import ChatLocal
from critique_graph.nodes.solve import solve_messages
from critique_graph.problems.problem_set import Problems, find_problems
from critique_graph.runs.drive import run_graph
from critique_graph.runs.folder import JOURNAL, read_manifest
from critique_graph.runs.journal import read_journal
from critique_graph.runs.outcomes import Outcome, outcome_of
from critique_graph.runs.progress import Progress
from critique_graph.runs.record import RunRecord
from critique_graph.tasks.shipped import TaskGiven, read_task
from critique_graph.tasks.task import MATH
from critique_graph.verbs.job import prepare_problems
from critique_graph.verbs.output import run_folder


def compare_strategies(
    problems: Problems = "miniature",
    *,
    out: Path | str | None = None,
    fresh: bool = False,
    progress: Progress | None = None,
    **settings: Any,
) -> Comparison:
    """Compare the critic with majority vote at equal cost, as `compare` does; the same call again resumes.

    Example:
        >>> comparison = compare_strategies("problems.jsonl", actor="hf:PATH", critic="hf:PATH", out="runs/pool")
        >>> comparison.verdict

    Args:
        problems: `miniature`, a file, `hf:owner/name[:config[:split]]`, or the problems themselves, with reference
            answers.
        out: Folder of the run; by default a new one under `runs/`. `compare_run` can read it later.
        fresh: Start over in a folder that holds a run.
        progress: Display of the progress; nothing is shown by default.
        settings: Fields of `CompareSettings`; models are strings or chat models.

    Raises:
        NothingDoneError: No problem was finished, so there is nothing to compare.
        CritiqueGraphError: Bad input, or a folder that cannot be written; nothing finished before is lost.
        pydantic.ValidationError: A setting is unknown or out of its range.
    """
    find = partial(find_problems, needs_answer="strategies are compared by it")
    job, folder = prepare_problems(CompareSettings, problems, settings, find), run_folder(out, "compare")
    wait_for(_load(*job.models.values()))
    pool = wait_for(
        run_graph(
            lambda journal: create_pool(
                **job.models,
                votes=job.settings.all_votes,
                prompts=job.settings.prompts,
                task=job.settings.task,
                log=journal,
                **ChainContext.keywords(job.settings),
            ).compile(name="pool"),
            job.problems,
            folder,
            job.settings.recorded(),
            lambda run: RunRecord(**run.counts()),
            prompts=prompts_hash(loop_prompts(job.settings.prompts)),
            fresh=fresh,
            concurrency=job.settings.concurrency,
            patience=job.settings.patience,
            limits=job.settings.limits,
            prices=job.settings.prices,
            progress=progress,
            outcome_of=_outcome,
        )
    )
    if not pool.done:
        raise NothingDoneError("no problem was finished", reason=pool.reason, exit_code=pool.exit_code(failed=1))
    return compare_run(folder, task=job.settings.task).model_copy(update={"money": pool.money})


def compare_run(folder: str | Path, *, task: TaskGiven | None = None) -> Comparison:
    """Compare all strategies whose calls are in the journal of a run: of `compare`, or of `run` with several samples.

    Args:
        folder: Folder of the run; if it is still running, the problems finished so far are compared.
        task: Task of the run, which says which answers are equal; None: the one that the run records.

    Raises:
        InputError: The folder holds no such run, the run has nothing to compare, or its task cannot be found.
        RunError: The run is damaged.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    if manifest is None or not (folder / JOURNAL).exists():
        raise InputError(f"{folder}: there is no run in this folder. Name one of `compare` or `run`, or problems.")
    counted: Counter[bool] = Counter()

    def traces() -> Iterator[Trace]:
        for row in read_journal(folder / JOURNAL):
            is_done = row.trace is not None and row.outcome.status == "done"
            counted[is_done] += 1
            if row.trace is not None and is_done:
                try:
                    yield Trace.model_validate_json(row.trace)
                except ValidationError as error:
                    raise InputError(f"{folder}: this is no run of `compare` or `run`.") from error

    found = wait_for(
        compare_traces(
            traces(),
            grader=read_task(task or manifest["configuration"].get("task", MATH.name)).grader,
            seconds=float(manifest["seconds"]),
            run=str(folder),
            state=manifest["state"],
            reason=manifest.get("reason"),
            seed=int(manifest["configuration"].get("seed", 0)),
        )
    )
    problems = max(sum(manifest["outcomes"].values()), counted.total())
    return found.model_copy(update={"unfinished": problems - counted[True]})


async def _load(*models: BaseChatModel) -> None:
    """Load the models in this process before the run, so that loading does not count as time of a call."""
    key = CallKey("", "actor", "", 0)
    for model in models:
        if isinstance(model, ChatLocal):
            await Caller(model, "actor", temperature=0.0, max_tokens=1, seed=0)(solve_messages("1 + 1"), key)


def _outcome(result: Mapping[str, Any]) -> Outcome:
    """Give the outcome of a pool from all of its calls, those without a critic included."""
    controls = ({"failure": failure} for failure in result["failures"])
    return outcome_of({"chains": [*result["chains"], *controls]})
