"""A worker of a shared journal in a process of its own, which can be killed at any moment."""

import multiprocessing
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from hashed_model import HashedModel, addition_problems
from killable_shard import play

from critique_graph.runs import shared_journal


def start(
    folder: Path, address: str, problems: int, *, latency: float = 0.0, concurrency: int = 8
) -> ForkServerProcess:
    """Start a worker; the fork server has imported everything, so it gets to work at once."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["killable_worker"])
    process = context.Process(target=_work, args=(folder, address, problems, latency, concurrency))
    process.start()
    return process


def _work(folder: Path, address: str, problems: int, latency: float, concurrency: int) -> None:
    shared_journal.HEARTBEAT_SECONDS, shared_journal.LEASE_SECONDS = 0.5, 3.0
    play(
        folder,
        problems=addition_problems(problems),
        model=HashedModel(latency=latency),
        journal=address,
        concurrency=concurrency,
    )
