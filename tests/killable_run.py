"""A run in a process of its own that can be killed at any moment, and compared with one that was not."""

import asyncio
import multiprocessing
import sys
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from hashed_model import HashedModel, addition_problems

from critique_graph.graphs.actor_critic import create_actor_critic
from critique_graph.graphs.prompts import loop_prompts, prompts_hash
from critique_graph.problems.problem_set import ProblemSet
from critique_graph.runs.drive import run_graph
from critique_graph.runs.traces import read_traces
from critique_graph.solve.summary import summarise

SETTINGS = {"samples": 2, "rounds": 2, "seed": 5}


def run(folder: Path, problems: int, latency: float) -> int:
    """Run, or resume, to the end; gives the exit code."""
    model = HashedModel(latency=latency)
    found = asyncio.run(
        run_graph(
            lambda journal: create_actor_critic(model, model, samples=2, rounds=2, seed=5, log=journal).compile(),
            ProblemSet.of(addition_problems(problems)),
            folder,
            SETTINGS,
            summarise,
            prompts=prompts_hash(loop_prompts()),
        )
    )
    return found.exit_code()


def start(folder: Path, problems: int, latency: float) -> ForkServerProcess:
    """Start a run in a process; the fork server has imported everything, so it gets to work at once."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["killable_run"])
    process = context.Process(target=_exit_with_code_of_run, args=(folder, problems, latency))
    process.start()
    return process


def _exit_with_code_of_run(folder: Path, problems: int, latency: float) -> None:
    sys.exit(run(folder, problems, latency))


def traces_without_seconds(folder: Path) -> list[Any]:
    """What a run gave, less what the clock decides."""
    return [_without_seconds(trace.model_dump(mode="json")) for trace in read_traces(folder)]


def _without_seconds(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_seconds(item) for key, item in value.items() if key not in ("started", "seconds")}
    return [_without_seconds(item) for item in value] if isinstance(value, list | tuple) else value
