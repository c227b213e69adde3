"""Worker processes for math-verify: started on demand, each with one task at a time, killed and replaced singly.

The blocking wait on a worker's pipe happens in threads that the pool owns, so the pool serves any event loop, several
at once, and callers without one. It does not use `multiprocessing`, whose children run the caller's main script again
and whose pools cannot tell which worker to kill.
"""

import json
import logging
import os
import select
import signal
import subprocess
import sys
import threading
import time
import weakref
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Literal, cast

from critique_graph.grading.exact import Pairs

Equality = Literal[
    "equal",
    "different",
    "unreadable_answer",
    "unreadable_reference",
    "too_complex",
    "memory",
    "timeout",
    "worker_died",
]
"""Whether answers equal their references, or why that is not known."""

_LOG = logging.getLogger(__name__)
_WORKER_SCRIPT = Path(__file__).with_name("worker.py")
_START_SECONDS = 60.0
_MEMORY_BYTES = 1 << 30
_TASKS_PER_CHILD = 1_000


class _WorkerDiedError(Exception):
    """The worker or its child ended without a result, and not because of its CPU limit."""


class _Worker:
    """One worker process and the pipes to it."""

    def __init__(self, *, cpu_seconds: int) -> None:
        self._tasks = count(1)
        self._unread = b""
        self._is_ready = False
        arguments = (str(number) for number in (cpu_seconds, _MEMORY_BYTES, _TASKS_PER_CHILD))
        self._process = subprocess.Popen(  # noqa: S603 - our own script, by this interpreter
            # -P keeps the script's folder off the path, where the modules in it would shadow others.
            [sys.executable, "-P", str(_WORKER_SCRIPT), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            start_new_session=True,  # Ctrl-C does not reach it, and one signal ends it together with its child
        )

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def compare(self, pairs: Pairs, *, wall_seconds: float) -> Equality:
        """Say whether all pairs are equal; without a reply in `wall_seconds`, kill the worker (also a `timeout`)."""
        if not self._is_ready:
            self._wait_ready()
        task = next(self._tasks)
        request = json.dumps({"task": task, "pairs": pairs})
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(request.encode() + b"\n")
        except BrokenPipeError as error:
            raise _WorkerDiedError from error
        deadline = time.monotonic() + wall_seconds
        while (reply := self._read(deadline)) is not None:
            if reply["task"] == task:
                return cast("Equality", reply["result"])
            if reply.get("status") == -signal.SIGXCPU:
                return "timeout"
            if "status" in reply:
                raise _WorkerDiedError
        self.kill()
        return "timeout"

    def _wait_ready(self) -> None:
        """Wait until math-verify is loaded; this time counts against no comparison."""
        if self._read(time.monotonic() + _START_SECONDS) is None:
            raise _WorkerDiedError
        self._is_ready = True

    def _read(self, deadline: float) -> dict[str, str | int | None] | None:
        """Next message, or None if the deadline has passed."""
        assert self._process.stdout is not None
        poll = select.poll()
        poll.register(self._process.stdout, select.POLLIN)
        while b"\n" not in self._unread:
            if not poll.poll(max(0.0, deadline - time.monotonic()) * 1_000):
                return None
            received = self._process.stdout.read(65_536)
            if not received:
                raise _WorkerDiedError
            self._unread += received
        line, self._unread = self._unread.split(b"\n", maxsplit=1)
        return cast("dict[str, str | int | None]", json.loads(line))

    def kill(self) -> None:
        """End the worker and its child. The pipes stay open: another thread may be reading from them."""
        if self.is_alive:
            with suppress(ProcessLookupError):  # it has just ended by itself
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def close(self) -> None:
        self.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()


class WorkerPool:
    """Compares pairs of answers with math-verify, each under a CPU and a memory limit.

    Args:
        workers: Maximum number of processes; each needs about 60 MB.
        cpu_seconds: CPU time per comparison (up to one second more, as the kernel counts whole seconds).
        wall_seconds: Backstop per comparison, for when the CPU limit has no effect. It is long, because wall time
            says more about the machine's load than about the answer.
    """

    def __init__(self, *, workers: int = 2, cpu_seconds: int = 2, wall_seconds: float = 25.0) -> None:
        if workers < 1:
            raise ValueError(f"workers must be at least 1, got {workers}.")
        self._cpu_seconds = cpu_seconds
        self._wall_seconds = wall_seconds
        self._workers: set[_Worker] = set()
        self._idle: list[_Worker] = []
        self._is_closed = False
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="grading")
        weakref.finalize(self, _close_all, self._workers)  # when the pool is garbage-collected, and at interpreter exit

    def submit(self, pairs: Pairs) -> "Future[Equality]":
        """Compare answers with references, in LaTeX: `equal` if all are.

        The future never fails; closing the pool cancels it if the comparison has not begun.
        """
        return self._threads.submit(self._compare, pairs)

    def close(self) -> None:
        """Kill the workers and wait for the threads; a running comparison ends as `worker_died`."""
        with self._lock:
            self._is_closed = True
            for worker in self._workers:
                worker.kill()
        self._threads.shutdown(cancel_futures=True)
        _close_all(self._workers)

    def _compare(self, pairs: Pairs) -> Equality:
        for _ in range(2):  # one retry, if the worker died for another reason than this comparison's CPU use
            try:
                worker = self._take()
            except OSError as error:
                _LOG.warning("No worker process for grading could be started: %s", error)
                break
            if worker is None:
                break
            try:
                return worker.compare(pairs, wall_seconds=self._wall_seconds)
            except _WorkerDiedError:
                worker.kill()
            finally:
                self._put_back(worker)
        return "worker_died"

    def _take(self) -> _Worker | None:
        with self._lock:
            if self._is_closed:
                return None
            if self._idle:
                return self._idle.pop()
            worker = _Worker(cpu_seconds=self._cpu_seconds)
            self._workers.add(worker)
            return worker

    def _put_back(self, worker: _Worker) -> None:
        with self._lock:
            if worker.is_alive:
                self._idle.append(worker)
                return
            self._workers.discard(worker)
        worker.close()


def _close_all(workers: set[_Worker]) -> None:
    while workers:
        workers.pop().close()
