"""Shards as tasks of Ray, on this machine or on a cluster: placement, retries, an orderly stop, a line of progress.

Ray only starts and places processes. What they work on and what they find lies in run folders, on a disk that all
nodes share; so a task that is started again, wherever it may be, goes on where the earlier one was stopped.
"""

import logging
import os
import signal
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pickle import PicklingError
from typing import Any

from rich.text import Text

from critique_graph.core.errors import InputError, MissingDependencyError, RunError, first_line
from critique_graph.problems.shard import Shard
from critique_graph.runs.folder import RunState
from critique_graph.runs.progress import Progress

logger = logging.getLogger(__name__)

LOCAL = "local"
"""Address of a cluster that is started on this machine, and ends with the run."""
RETRIES = 3
"""How often Ray starts a task again whose process or node was lost; those it ends for want of memory do not count."""
POLL_SECONDS = 1.0
"""Seconds after which signals and the progress are looked at."""
OBJECT_BYTES = 80 * 2**20
"""Memory for objects of a cluster on this machine: the least that Ray takes, for no data goes through Ray."""


class Interrupted(Exception):  # noqa: N818 - no error: it has the task started again
    """The process of a shard got a signal to stop."""


@dataclass(frozen=True)
class ShardEnd:
    """How a shard ended."""

    state: RunState
    reason: str | None = None
    """Why it stopped early; None otherwise."""
    fault: str | None = None
    """Why it could not go on; None otherwise."""


class ShardsProgress(Progress):
    """The driver's line: how many problems have ended, and how many shards."""

    shards = 0
    """Number of shards."""
    finished = 0
    """Number of shards that are finished."""
    ended_problems = 0
    """Number of problems that ended in all shards."""

    def line(self) -> Text:
        """Give the current line."""
        total = "?" if self.total is None else self.total
        return Text(f"{self.ended_problems}/{total} problems · {self.finished} of {self.shards} shards finished")


@contextmanager
def joined(address: str) -> Iterator[None]:
    """Join the cluster at an address, or start one on this machine (`LOCAL`).

    Raises:
        InputError: There is no cluster at this address.
        MissingDependencyError: The extra `ray` is not installed.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # nothing is sent to others
    try:
        import ray
    except ImportError as error:
        raise MissingDependencyError("ray", extra="ray", purpose="--ray") from error
    own = {"include_dashboard": False, "object_store_memory": OBJECT_BYTES} if address == LOCAL else {}
    try:
        ray.init(address, log_to_driver=False, logging_level=logging.CRITICAL, **own)
    except Exception as error:  # Ray raises plain exceptions, too
        raise InputError(f"--ray {address}: {first_line(error)}") from error
    try:
        yield
    finally:
        ray.shutdown()


def has_gpus() -> bool:
    """Tell whether the cluster that was joined has GPUs."""
    import ray

    return bool(ray.cluster_resources().get("GPU"))


def places(gpus: float) -> int:
    """Give the number of tasks that the cluster that was joined can work on at the same time; at least 1.

    Args:
        gpus: Number of GPUs that a task takes beside its CPU.
    """
    import ray

    found = ray.cluster_resources()
    return max(1, int(found.get("GPU", 0) / gpus if gpus else found.get("CPU", 1)))


def run_shards(
    play: Callable[[Shard], ShardEnd],
    shards: Sequence[Shard],
    *,
    gpus: float,
    follow: Callable[[int], None],
    stop: Callable[[], None],
) -> dict[Shard, ShardEnd]:
    """Play shards as tasks of the cluster that was joined, each in a process of its own, and wait for all of them.

    The first SIGINT or SIGTERM lets the processes end their problems in flight; the next one leaves at once.

    Args:
        play: Plays a shard, in a process of the cluster. It is called again if the process is lost, or if it raises
            `Interrupted`.
        shards: The shards.
        gpus: Number of GPUs that a task takes.
        follow: Called at least every `POLL_SECONDS`, with the number of shards that are finished.
        stop: Called at the first signal; has the processes stop in order.

    Raises:
        KeyboardInterrupt: A signal came.
    """
    import ray

    task = ray.remote(num_cpus=1, num_gpus=gpus, max_retries=RETRIES, retry_exceptions=[Interrupted], max_calls=1)(play)
    try:
        waiting = {task.options(name=f"critique-graph {shard}").remote(shard): shard for shard in shards}
    except (TypeError, PicklingError) as error:
        raise InputError(
            f"the settings cannot be sent to processes of Ray; name models and the task by strings: {first_line(error)}"
        ) from error
    ends: dict[Shard, ShardEnd] = {}
    with _on_signals() as signals:
        is_stopping = False
        while waiting and len(signals) < 2:
            ready, _ = ray.wait(list(waiting), timeout=POLL_SECONDS)
            for reference in ready:
                ends[waiting.pop(reference)] = _end_of(reference)
            follow(sum(end.state == "complete" for end in ends.values()))
            if signals and not is_stopping:
                is_stopping = True
                stop()
    if signals:
        raise KeyboardInterrupt
    return ends


def refuse_faults(ends: Mapping[Shard, ShardEnd]) -> None:
    """Raise the faults of shards as one error that names the shards.

    Raises:
        RunError: A shard could not go on.
    """
    shards = defaultdict(list)
    for shard, end in sorted(ends.items()):
        if end.fault is not None:
            shards[end.fault].append(str(shard))
    if shards:
        faults = [f"shard {', '.join(names)}: {fault.rstrip('.')}" for fault, names in shards.items()]
        raise RunError(f"{'; '.join(faults)}. The same command goes on with what is finished.")


def _end_of(reference: Any) -> ShardEnd:
    import ray
    from ray.exceptions import RayError, RayTaskError

    try:
        found = ray.get(reference)
        assert isinstance(found, ShardEnd)
        return found
    except RayTaskError as error:  # the task raised what it did not expect
        cause = error.cause
        if isinstance(cause, Interrupted):
            return ShardEnd("interrupted", fault="its process was stopped by a signal")
        return ShardEnd("running", fault=f"internal error, {type(cause).__name__}: {first_line(cause)}")
    except RayError as error:
        return ShardEnd("running", fault=first_line(error))


@contextmanager
def _on_signals() -> Iterator[list[int]]:
    """Collect SIGINT and SIGTERM in a list; outside the main thread, the application handles signals."""
    seen: list[int] = []
    in_main = threading.current_thread() is threading.main_thread()

    def handle(number: int, _: object) -> None:
        seen.append(number)
        if len(seen) == 1:
            logger.warning("stopping: problems in flight have some seconds to end; again to abort")

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM) if in_main}
    try:
        yield seen
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
