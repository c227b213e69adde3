"""The loop over a problem set on a Ray cluster: a task for each shard, and one run of all shards in the end.

OUT/shards/plan.json    number of shards, and a token of the command that works on them
OUT/shards/stop         there once the shards are to stop
OUT/shards/log.txt      what Ray said: it prints on standard output which processes were lost
OUT/shards/1-of-4/      run folder of a shard; `log.txt` has what its processes said
OUT/                    the merged run, once all shards have ended
"""

import os
import platform
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
from langchain_core.runnables import Runnable

from critique_graph.core.errors import CritiqueGraphError, InputError, RunError
from critique_graph.core.files import write_atomically
from critique_graph.core.schema import Problem
from critique_graph.graphs.prompts import loop_prompts, prompts_hash
from critique_graph.problems.problem_set import Problems, ProblemSet, find_problems, name_of_problems
from critique_graph.problems.shard import Shard
from critique_graph.runs.folder import open_run
from critique_graph.runs.progress import Progress
from critique_graph.runs.ray_tasks import (
    LOCAL,
    Interrupted,
    ShardEnd,
    ShardsProgress,
    has_gpus,
    joined,
    places,
    refuse_faults,
    run_shards,
)
from critique_graph.runs.shards import has_own_sessions, is_settled, read_shards
from critique_graph.solve.merge import merge_shards
from critique_graph.solve.run import run_problems
from critique_graph.solve.settings import RunSettings
from critique_graph.solve.summary import Summary
from critique_graph.verbs.job import read_settings
from critique_graph.verbs.output import run_folder

SHARDS, PLAN, STOP, LOG, ENDED = "shards", "plan.json", "stop", "log.txt", "ended"
IN_PROCESS = ("miniature:", "hf:", "vllm:")
"""Beginnings of the strings of models that run in the process of a task."""


def run_on_ray(
    problems: Problems = "miniature",
    *,
    address: str = LOCAL,
    tasks: int | None = None,
    gpus: float | None = None,
    out: Path | str | None = None,
    fresh: bool = False,
    progress: ShardsProgress | None = None,
    **settings: Any,
) -> Summary:
    """Run the loop over a problem set as tasks of Ray; the same call again resumes. `run --ray` calls it.

    Each task works on a shard, with a run folder of its own below `out`, and Ray starts a task again whose process or
    node is lost. In the end `out` is the run that `run_problems` would have made.

    Example:
        >>> run_on_ray("problems.jsonl", address="auto", actor="vllm:PATH", critic="vllm:PATH", out="runs/big").gain

    Args:
        problems: As for `run_problems`.
        address: `local` starts a cluster on this machine; `auto` or HOST:PORT joins one.
        tasks: Number of shards; by default as many as the cluster can work on at the same time, or the run has already.
        gpus: Number of GPUs that each task takes, beside one CPU; by default 1 if the cluster has some and a model runs
            in the task's process, 0 otherwise.
        out: Folder of the run, on a disk that all nodes share; by default a new one under `runs/`.
        fresh: Start over in a folder that holds a run.
        progress: Shows how the run goes; nothing by default.
        settings: As for `run_problems`, without `shard`. `run_tokens` and `run_calls` are divided among the shards.

    Raises:
        CritiqueGraphError: Bad input, no such cluster, a shard that could not go on, or a folder that cannot be
            written; nothing finished before is lost.
        KeyboardInterrupt: A signal came; what is finished is kept.
        pydantic.ValidationError: A setting is unknown or out of its range.
    """
    given = problems if isinstance(problems, str | Path) else tuple(problems)
    read = read_settings(RunSettings, {**settings, "problems": name_of_problems(given)})
    if read.shard is not None:
        raise InputError(f"shard: --ray makes the shards itself; leave --shard {read.shard} out.")
    found = find_problems(read, None if isinstance(given, str | Path) else given)
    folder = run_folder(out, "run")
    known = None if fresh else _known_count(folder, tasks)
    with ExitStack() as cluster:
        cluster.enter_context(joined(address))
        gpus = _gpus(read) if gpus is None else gpus
        count = known or tasks or min(places(gpus), found.total or sys.maxsize)
        plan = _Plan((folder / SHARDS).resolve(), count)
        unfinished = [shard for shard in plan.shards if plan.prepare(shard, read, found, fresh=fresh)]
        plan.write()
        order = _Order(given, _sent(read, settings) | plan.budget(read), plan)
        follows = _following(progress or ShardsProgress(quiet=True), plan, found.total, len(unfinished))
        said = (plan.folder / LOG).open("a", buffering=1)
        with follows as follow, said, redirect_stdout(said), cluster.pop_all():  # Ray speaks until it is left
            ends = run_shards(lambda shard: _play(order, shard), unfinished, gpus=gpus, follow=follow, stop=plan.stop)
    refuse_faults(ends)
    stopped = [f"shard {shard}: {end.reason}" for shard, end in sorted(ends.items()) if end.state == "stopped_early"]
    return merge_shards(
        read_shards(map(plan.folder_of, plan.shards), is_complete=False),
        folder,
        read.recorded(),
        fresh=True,
        state="stopped_early" if stopped else "complete",
        reason="; ".join(stopped) or None,
        total=found.total or 0,
    )


@dataclass(frozen=True)
class _Plan:
    """The shards of a run, and where they are."""

    folder: Path
    """Folder of the shards' folders; absolute, and the same on all nodes."""
    count: int
    token: str = field(default_factory=lambda: uuid4().hex)
    """By it a node knows that it has the driver's disk, and not a folder of the same name."""

    @property
    def shards(self) -> list[Shard]:
        return [Shard(index, self.count) for index in range(1, self.count + 1)]

    def folder_of(self, shard: Shard) -> Path:
        return self.folder / f"{shard.index}-of-{shard.count}"

    def write(self) -> None:
        """Write the plan, for the nodes and for the next command."""
        (self.folder / STOP).unlink(missing_ok=True)
        write_atomically(self.folder / PLAN, [orjson.dumps({"shards": self.count, "token": self.token})])

    def stop(self) -> None:
        """Have the processes of all shards stop."""
        (self.folder / STOP).touch()

    def is_stopped(self) -> bool:
        """Tell whether the shards are to stop."""
        return (self.folder / STOP).exists()

    def prepare(self, shard: Shard, settings: RunSettings, problems: ProblemSet, *, fresh: bool) -> bool:
        """Make or check the run folder of a shard; gives whether anything is left to do in it."""
        part = settings.model_copy(update={"shard": str(shard), **self.budget(settings)})
        wording, chosen = prompts_hash(loop_prompts(settings.prompts)), part.part_of(problems)
        folder, recorded = self.folder_of(shard), part.recorded()
        if not fresh and is_settled(folder, recorded, prompts=wording, problems=chosen.read()):
            return False
        with open_run(folder, recorded, prompts=wording, fresh=fresh, problems=chosen.read()):
            return True

    def budget(self, settings: RunSettings) -> dict[str, int]:
        """Give the part of each shard in what the run may spend."""
        bounds = {"run_tokens": settings.run_tokens, "run_calls": settings.run_calls}
        return {name: max(1, bound // self.count) for name, bound in bounds.items() if bound is not None}


@dataclass(frozen=True)
class _Order:
    """What the nodes get."""

    problems: str | Path | tuple[Problem, ...]
    settings: Mapping[str, Any]
    """The settings of a shard, as keywords of `run_problems`."""
    plan: _Plan
    home: Path = field(default_factory=Path.cwd)
    """The driver's folder, from which paths are read."""


class _Reported(Progress):
    """The progress of a shard: lines in its log, and a file with the number of problems that ended.

    It also sees to it that the shard stops, as SIGINT stops a run, when all are to stop.
    """

    def __init__(self, plan: _Plan, file: Path) -> None:
        super().__init__()
        self._plan, self._file, self._has_stopped = plan, file, False

    def tick(self) -> None:
        super().tick()
        self._report()
        if not self._has_stopped and self._plan.is_stopped():
            self._has_stopped = True
            signal.raise_signal(signal.SIGINT)

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self._report()

    def _report(self) -> None:
        write_atomically(self._file, [str(self.ended).encode()])


def _sent(settings: RunSettings, given: Mapping[str, Any]) -> dict[str, Any]:
    """Give the settings in the form that goes to nodes: the task and the wording as a run records them."""
    names = {"task": settings.task.name, "prompts": settings.prompts.recorded()}
    models = {name: value for name, value in given.items() if isinstance(value, Runnable)}
    sent = dict(settings) | names | models
    return {name: value for name, value in sent.items() if name not in ("problems", "shard")}


def _play(order: _Order, shard: Shard) -> ShardEnd:
    """Play a shard in a process of a node."""
    folder = order.plan.folder_of(shard)
    try:
        _refuse_other_disk(order)
        if order.plan.is_stopped():
            return ShardEnd("interrupted")
        with (folder / LOG).open("a", buffering=1) as log, redirect_stdout(log), redirect_stderr(log):
            found = run_problems(
                order.problems,
                out=folder,
                shard=str(shard),
                progress=_Reported(order.plan, folder / ENDED),
                **order.settings,
            )
    except CritiqueGraphError as error:
        return ShardEnd("running", fault=str(error))
    if found.state == "interrupted" and not order.plan.is_stopped():
        raise Interrupted
    return ShardEnd(found.state, found.reason)


def _refuse_other_disk(order: _Order) -> None:
    """Refuse a node that does not share the driver's disk."""
    plan = order.plan
    try:
        os.chdir(order.home)
        token = orjson.loads((plan.folder / PLAN).read_bytes())["token"]
    except OSError:
        token = None
    if token != plan.token:
        raise RunError(
            f"{platform.node()} does not have {plan.folder} or {order.home} as the machine of the command has it: "
            "--ray needs a disk that all nodes share."
        )


@contextmanager
def _following(
    progress: ShardsProgress, plan: _Plan, total: int | None, unfinished: int
) -> Iterator[Callable[[int], None]]:
    """Show the progress; gives what is told how many of the `unfinished` shards are finished by now."""
    progress.total, progress.shards = total, plan.count

    def follow(finished: int) -> None:
        progress.finished = plan.count - unfinished + finished
        progress.ended_problems = sum(_ended(plan.folder_of(shard)) for shard in plan.shards)
        progress.tick()

    with progress:
        follow(0)
        yield follow


def _ended(folder: Path) -> int:
    """Give the number of problems that ended in a shard so far."""
    try:
        return int((folder / ENDED).read_bytes())
    except FileNotFoundError:
        return 0


def _known_count(folder: Path, tasks: int | None) -> int | None:
    """Give the number of shards that a run has already; None if it is new.

    Raises:
        RunError: It has another number than was asked for, or it is a run without shards.
    """
    if has_own_sessions(folder):
        raise RunError(f"{folder} holds a run without --ray. Go on without it, use another --out, or --fresh.")
    try:
        known = int(orjson.loads((folder / SHARDS / PLAN).read_bytes())["shards"])
    except FileNotFoundError:
        return None
    if tasks not in (None, known):
        raise RunError(f"{folder} has {known} shards. Use --ray-tasks {known}, another --out, or --fresh.")
    return known


def _gpus(settings: RunSettings) -> float:
    """Give the number of GPUs of a task, where it is not asked for."""
    needs_device = any(str(role).startswith(IN_PROCESS) for role in settings.roles().values())
    return float(needs_device and has_gpus())
