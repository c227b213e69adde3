"""The shard of a run, in a process that may be killed by one of its own calls."""

import multiprocessing
import os
import signal
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from hashed_model import HashedModel, addition_problems

from critique_graph.problems.problem_set import Problems
from critique_graph.solve.run import run_problems
from critique_graph.solve.summary import Summary

PROBLEMS = addition_problems(10)
SETTINGS: dict[str, Any] = {"samples": 2, "rounds": 2, "seed": 5}


class MortalModel(HashedModel):
    """Kills its process."""

    last: int
    """Number of the call that does so."""

    def _generate(self, *args: Any, **kwargs: Any) -> Any:
        if len(self.prompts) == self.last:
            os.kill(os.getpid(), signal.SIGKILL)
        return super()._generate(*args, **kwargs)


def play(
    folder: Path,
    shard: str | None = None,
    *,
    problems: Problems = PROBLEMS,
    model: HashedModel | None = None,
    **settings: Any,
) -> Summary:
    """Run a shard, or all problems; the same again resumes."""
    model = model or HashedModel()
    return run_problems(problems, out=folder, actor=model, critic=model, **{**SETTINGS, "shard": shard, **settings})


def start(folder: Path, shard: str, *, last: int) -> ForkServerProcess:
    """Run a shard in a process that is killed by a call."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["killable_shard"])
    process = context.Process(target=_play_and_die, args=(folder, shard, last))
    process.start()
    return process


def _play_and_die(folder: Path, shard: str, last: int) -> None:
    play(folder, shard, model=MortalModel(last=last))
