"""Runs a program of a model with its tests: two confined processes, of which only the verdict of the tests is believed.

The processes share one folder, which is removed, and nothing else. docs/code.md says what this protects from.
"""

import json
import os
import select
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event

from critique_graph.core.errors import InputError, one_line
from critique_graph.sandbox.records import Execution, Limits, Program, Status

_Ending = tuple[Status, str]
"""How a run ended, and the detail."""

_PACKAGE = Path(__file__).parents[1]
_START = """
import sys, types
package = types.ModuleType("critique_graph")  # in the place of the whole package, which would load LangGraph
package.__path__ = [sys.argv.pop(1)]
sys.modules["critique_graph"] = package
from critique_graph.sandbox.guest import main
main()
"""
_OPTIONS = ("-B", "-P", "-s", "-S", "-X", "utf8")
"""Options of the interpreter: only Python's own modules, and none is written."""
_TICK = 0.02
"""Seconds between two looks at the clock and at the folder."""
_LAST_BREATH = 1.0
"""Seconds that a process whose pipes are closed has to end by itself."""
_MOST_READ = 20_000
"""Number of bytes that are kept of what a process writes; the rest is read and thrown away."""
_MOST_PRINTED = 10_000_000
"""Number of bytes that a program may print."""
_LONGEST_OUTPUT = 2_000
_SMALLEST_FILE = 4_096
"""Number of bytes that a file counts as at least."""


@dataclass(frozen=True)
class _Pair:
    """The process of the program, that of the tests, and what they have written."""

    candidate: "subprocess.Popen[bytes]"
    judge: "subprocess.Popen[bytes]"
    output: bytearray = field(default_factory=bytearray)
    verdict: bytearray = field(default_factory=bytearray)


def run_python(program: Program, *, limits: Limits | None = None, stop: Event | None = None) -> Execution:
    """Run a program that a model wrote with the tests of its problem, and say how that ended.

    Blocks the calling thread; several threads may call it. `PythonPool` bounds how many programs run at once.

    The program can read no file but Python's own, use no network, start or signal no process, see nothing of the
    environment, and does not outlast the call. The kernel has to provide that (Linux 5.13 with Landlock and seccomp,
    and the library libseccomp): where it does not, nothing is run.

    Args:
        program: The program and its tests.
        limits: Limits of the program and, apart from it, of its tests.
        stop: Ends the run once it is set; the status is then `unusable`.

    Raises:
        InputError: This machine lacks a protection; the message says which.
    """
    limits = limits or Limits()
    if sys.platform != "linux":
        raise InputError(f"programs of models run on Linux only, which can confine them, and not on {sys.platform}.")
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(TemporaryDirectory(prefix="critique-graph-", ignore_cleanup_errors=True))
            pair = stack.enter_context(_started(folder, limits))
        except OSError as error:
            return Execution(status="unusable", detail=one_line(f"No process could be started: {error}"))
        _hand_over(program, pair.judge)
        status, detail = _watched(pair, folder, limits, stop) or _judged(pair, limits)
    output = pair.output.decode(errors="replace")[:_LONGEST_OUTPUT]
    return Execution(status=status, detail=one_line(detail), output=output)


@cache
def require_sandbox() -> None:
    """Check that programs of models can be run on this machine.

    Raises:
        InputError: This machine lacks a protection; the message says which.
    """
    execution = run_python(Program(code="def one(): return 1", tests="assert one() == 1", names=("one",)))
    if not execution.has_passed:
        raise InputError(f"programs of models cannot be run here: {execution.detail}")


@contextmanager
def _started(folder: str, limits: Limits) -> Iterator[_Pair]:
    """Start both processes, connected by pipes, and kill them in the end."""
    requests, answers = os.pipe(), os.pipe()
    sizes = (limits.cpu_seconds, limits.memory_bytes, limits.disk_bytes)

    def start(role: str, *pipes: int, stdin: int, stdout: int, stderr: int) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(  # noqa: S603 - our own script, by this interpreter
            [sys.executable, *_OPTIONS, "-c", _START, str(_PACKAGE), role, *map(str, (*sizes, *pipes))],
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            pass_fds=pipes,
            cwd=folder,
            env={"PYTHONHASHSEED": "0"},  # nothing of ours; and sets have one order in all runs
            start_new_session=True,  # Ctrl-C does not reach it
        )

    with ExitStack() as stack:
        try:
            candidate = start("candidate", stdin=requests[0], stdout=answers[1], stderr=subprocess.PIPE)
            stack.enter_context(_killed(candidate))
            pipe = subprocess.PIPE
            judge = start("judge", requests[1], answers[0], stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL)
            stack.enter_context(_killed(judge))
        finally:
            for end in (*requests, *answers):
                os.close(end)
        yield _Pair(candidate, judge)


@contextmanager
def _killed(process: "subprocess.Popen[bytes]") -> Iterator[None]:
    """Kill the process in the end. It can have no children, so that nothing is left."""
    with process:
        try:
            yield
        finally:
            process.kill()


def _hand_over(program: Program, judge: "subprocess.Popen[bytes]") -> None:
    assert judge.stdin is not None
    with suppress(BrokenPipeError), judge.stdin as job:  # of a judge that has ended already, the verdict says why
        job.write(json.dumps(program.model_dump()).encode())


def _watched(pair: _Pair, folder: str, limits: Limits, stop: Event | None) -> _Ending | None:
    """Read what both write until the tests have ended; if a limit ends them before, say which."""
    assert pair.judge.stdout is not None
    assert pair.candidate.stderr is not None
    now = time.monotonic()
    deadline, look, printed = now + limits.wall_seconds, now + _TICK, 0
    with selectors.DefaultSelector() as selector:
        selector.register(pair.judge.stdout, selectors.EVENT_READ, pair.verdict)
        selector.register(pair.candidate.stderr, selectors.EVENT_READ, pair.output)
        while True:
            for key, _ in selector.select(_TICK):
                written = os.read(key.fd, 1 << 16)
                key.data.extend(written[: max(0, _MOST_READ - len(key.data))])
                printed += len(written)
                if not written:
                    selector.unregister(key.fileobj)
            if pair.judge.stdout not in selector.get_map():
                return None
            now = time.monotonic()
            if now < look:
                continue
            look = now + _TICK
            if stop is not None and stop.is_set():
                return "unusable", "The run was stopped."
            if now > deadline:
                return "timed_out", f"It was ended after {limits.wall_seconds:g} s."
            if printed > _MOST_PRINTED:
                return "killed", f"It was ended because it printed more than {_MOST_PRINTED:,} bytes."
            if _is_full(folder, limits.disk_bytes):
                return "killed", f"It was ended because its files took more than {limits.disk_bytes:,} bytes."


def _is_full(folder: str, most: int) -> bool:
    """Say whether the files of a folder, in which there are no folders, take more than `most` bytes."""
    taken = 0
    with os.scandir(folder) as files:
        for file in files:
            with suppress(FileNotFoundError):  # it was removed just now
                taken += max(_SMALLEST_FILE, file.stat(follow_symlinks=False).st_blocks * 512)
            if taken > most:
                return True
    return False


def _judged(pair: _Pair, limits: Limits) -> _Ending:
    """Read the verdict of the tests; without one, say how the process ended that could not give it."""
    if not pair.verdict:
        status, detail = _ended(pair.judge, limits)
        return status, f"The tests ended without a verdict: {detail}"
    verdict = json.loads(pair.verdict)
    if verdict["status"] == "unprotected":
        raise InputError(f"programs of models cannot be run here; a protection is missing: {verdict['detail']}.")
    if verdict["status"] == "lost":
        return _ended(pair.candidate, limits)
    return verdict["status"], verdict["detail"]


def _ended(process: "subprocess.Popen[bytes]", limits: Limits) -> _Ending:
    """Say how a process ended that was not meant to."""
    descriptor = os.pidfd_open(process.pid)
    try:
        waiting = select.poll()
        waiting.register(descriptor, select.POLLIN)
        if not waiting.poll(_LAST_BREATH * 1_000):
            return (
                "failed",
                "It closed its connection to the tests, or gave an answer that is none, or over 16 MB long.",
            )
    finally:
        os.close(descriptor)
    _, status, usage = os.wait4(process.pid, 0)
    code = process.returncode = os.waitstatus_to_exitcode(status)
    if code == -signal.SIGSYS:
        return "forbidden", "It tried what is not allowed: a process, the network, or control of the machine."
    if code == -signal.SIGXCPU or (code == -signal.SIGKILL and usage.ru_utime + usage.ru_stime > limits.cpu_seconds):
        return "timed_out", f"It was ended after {limits.cpu_seconds} s of CPU time."
    if code < 0:
        return "killed", f"It was ended by the signal {signal.Signals(-code).name}."
    return "failed", f"It ended itself, with exit code {code}, before the tests did."
