"""Runs programs of models in the background, a bounded number at a time; each has processes of its own.

As in `grading.pool`, threads of the pool wait for the processes, so the pool serves any event loop, and callers without
one.
"""

import os
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event

from critique_graph.sandbox.records import Execution, Limits, Program
from critique_graph.sandbox.run import require_sandbox, run_python


class PythonPool:
    """Runs programs with their tests.

    Args:
        workers: Maximum number of programs that run at once; by default the number of CPUs, since of the two
            processes of each one works at a time.
        limits: Limits of each program.

    Raises:
        InputError: This machine lacks a protection; the message says which.
    """

    def __init__(self, *, workers: int | None = None, limits: Limits | None = None) -> None:
        require_sandbox()
        workers = (os.cpu_count() or 1) if workers is None else workers
        if workers < 1:
            raise ValueError(f"workers must be at least 1, got {workers}.")
        self._limits = limits
        self._stop = Event()
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="sandbox")

    def submit(self, program: Program) -> "Future[Execution]":
        """Run a program; closing the pool cancels it if it has not begun."""
        return self._threads.submit(run_python, program, limits=self._limits, stop=self._stop)

    def close(self) -> None:
        """Kill the programs that run, and wait for the threads; a running program ends as `unusable`."""
        self._stop.set()
        self._threads.shutdown(cancel_futures=True)
