"""A process that ends when this one does, however this one ends, with every process that it started in its group.

A small process stands between the two: this very module as a program. It notices by the end of its standard input that
nobody holds the other end any more.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from threading import Thread

GRACE_SECONDS = 20.0
"""How long a process may take to end after SIGTERM, before its group is killed."""
NOT_STARTED = 127
"""Exit code where the program cannot be started, as of a shell; the log says why."""
_LAST_WORDS_BYTES = 20_000
_SET_CHILD_SUBREAPER = 36
"""PR_SET_CHILD_SUBREAPER of Linux's <sys/prctl.h>."""


class TiedProcess:
    """A program with a log; it reads nothing, and a Ctrl-C in the terminal does not reach it.

    Args:
        command: The program and its arguments; no shell reads them.
        log: File that what it prints is added to.
        environment: Variables that it has more than this process.
    """

    def __init__(self, command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None) -> None:
        self.log = log
        with log.open("ab") as said:
            self._begin = said.tell()
            self._process = subprocess.Popen(  # noqa: S603 - what the caller means to run
                # -P: a module in the folder that we are in is not taken for one of Python's.
                [sys.executable, "-P", "-m", "critique_graph.core.tied_process", *command],
                stdin=subprocess.PIPE,
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, **(environment or {})},
            )

    @property
    def exit_code(self) -> int | None:
        """Exit code of the program; None while it runs."""
        return self._process.poll()

    def last_words(self, lines: int) -> str:
        """Give the last lines of what this process printed, or its exit code if it printed nothing."""
        with self.log.open("rb") as said:
            end = said.seek(0, os.SEEK_END)
            said.seek(max(self._begin, end - _LAST_WORDS_BYTES))
            read = said.read().decode(errors="replace").splitlines()
        found = [line.strip() for line in read if line.strip()]
        return " | ".join(found[-lines:]) or f"exit code {self.exit_code}"

    def let_go(self) -> None:
        """Have the program end; returns at once."""
        assert self._process.stdin is not None
        self._process.stdin.close()

    def end(self) -> None:
        """Have the program end, and wait until it has."""
        self.let_go()
        self._process.wait()


def end_all(processes: Iterable[TiedProcess]) -> None:
    """Have programs end, all at the same time, and wait until they have."""
    processes = list(processes)
    for process in processes:
        process.let_go()
    for process in processes:
        process.end()


def _run(command: Sequence[str]) -> int:
    """Run a program in a group of its own until it ends, or standard input does; give its exit code."""
    try:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)  # noqa: S603
    except OSError as error:
        os.write(2, f"{command[0]}: {error.strerror}\n".encode())
        return NOT_STARTED

    def end_with_input() -> None:
        sys.stdin.buffer.read()
        process.terminate()
        try:
            process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()

    Thread(target=end_with_input, daemon=True).start()
    code = process.wait()
    with contextlib.suppress(ProcessLookupError, ChildProcessError):  # it left no process behind
        os.killpg(process.pid, signal.SIGKILL)
        while True:  # until all of them are gone, and what they held is free
            os.waitpid(-process.pid, 0)
    return code if code >= 0 else 128 - code


def _adopt_orphans() -> None:
    """Become the parent of processes whose parents end, so that one can wait for them; only Linux can do that."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


if __name__ == "__main__":
    _adopt_orphans()
    os._exit(_run(sys.argv[1:]))  # the thread still reads
