import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import wait
from pathlib import Path

import pytest

from critique_graph.grading.pool import WorkerPool

EASY = (("x+y", "y+x"),)
POISON = (("10000000!", "x+5"),)
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="looks processes up in /proc")


def children(process: int | str = "self") -> set[int]:
    """Process ids of the children of all threads of `process`."""
    files = Path(f"/proc/{process}/task").glob("*/children")
    return {int(child) for file in files for child in file.read_text().split()}


@pytest.fixture
def pool() -> Iterator[WorkerPool]:
    pool = WorkerPool(workers=1, cpu_seconds=1, wall_seconds=300)
    yield pool
    pool.close()


def test_pool_refuses_to_have_no_workers() -> None:
    with pytest.raises(ValueError, match="workers must be at least 1, got 0"):
        WorkerPool(workers=0)


@linux_only
def test_killed_worker_is_replaced_and_the_comparison_repeated(pool: WorkerPool) -> None:
    before = children()
    assert pool.submit(EASY).result() == "equal"
    (worker,) = children() - before

    os.kill(worker, signal.SIGKILL)

    assert pool.submit(EASY).result() == "equal"


@linux_only
def test_comparison_that_kills_its_worker_twice_is_given_up(pool: WorkerPool) -> None:
    before = children()
    assert pool.submit(EASY).result() == "equal"
    comparison = pool.submit(POISON)
    while not comparison.done():
        for worker in children() - before:
            os.kill(worker, signal.SIGKILL)
        wait([comparison], timeout=0.05)

    assert comparison.result() == "worker_died"


@linux_only
def test_child_that_dies_is_replaced_without_a_new_worker(pool: WorkerPool) -> None:
    before = children()
    assert pool.submit(EASY).result() == "equal"
    workers = children() - before

    assert pool.submit(POISON).result() == "timeout"
    assert pool.submit(EASY).result() == "equal"
    assert children() - before == workers


@linux_only
def test_worker_that_outlasts_the_wall_backstop_is_killed() -> None:
    before = children()
    pool = WorkerPool(workers=1, wall_seconds=0.2)

    assert pool.submit(POISON).result() == "timeout"
    assert children() == before

    pool.close()


@linux_only
def test_closing_ends_a_comparison_under_way_and_the_process() -> None:
    before = children()
    pool = WorkerPool(workers=1, cpu_seconds=1, wall_seconds=300)
    assert pool.submit(EASY).result() == "equal"
    under_way, waiting = pool.submit(POISON), pool.submit(EASY)
    while not under_way.running():
        pass

    pool.close()

    assert under_way.result() == "worker_died"
    assert waiting.cancelled()
    assert children() == before


@linux_only
def test_workers_end_when_their_caller_is_killed() -> None:
    script = f"""
import sys
from critique_graph.grading.pool import WorkerPool
pool = WorkerPool(workers=1, cpu_seconds=1, wall_seconds=300)
assert pool.submit({EASY}).result() == "equal"
poison = pool.submit({POISON})
print("busy", flush=True)
poison.result()
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as caller:
        assert caller.stdout is not None
        assert caller.stdout.readline() == b"busy\n"
        (worker,) = children(caller.pid)
        alive = [os.pidfd_open(process) for process in (worker, *children(worker))]
        caller.kill()

    for process in alive:
        assert select.select([process], [], [], 300)[0], "the process outlived its caller"
        os.close(process)
