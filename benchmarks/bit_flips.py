"""Flips bits in the journals of runs, and gives the command of the run again: is every damage reported?

Two journals are damaged: that of a finished run, and that of a run of half the problems, which the command continues.
Every flip is in a fresh copy of the run's folder; the command runs in a process of its own. A line of `traces.jsonl`
that differs from that of the undamaged run must come from a problem that was done again, and the run must have said
that something is damaged. What was not reported is silent; an internal error or a traceback is raw.
"""

import contextlib
import io
import json
import multiprocessing
import random
import shutil
import sys
import tempfile
from collections import Counter
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

from table import Line

PROBLEMS = 40


class End(NamedTuple):
    """How a command ended."""

    code: int
    printed: str


def flip(count: int, url: str, *, seed: int) -> list[Line]:
    """Flip single bits of journals, `count` times in all."""
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as temporary:
        problems = Path(temporary, "problems.jsonl")
        rows = ({"id": f"p{i}", "question": f"What is {i} + {i * 7 % 13}?", "answer": str(i)} for i in range(PROBLEMS))
        problems.write_text("".join(json.dumps(row) + "\n" for row in rows))
        whole, half, copy = (Path(temporary, name) for name in ("whole", "half", "copy"))

        def command(folder: Path, limit: int) -> list[str]:
            flags = ["--actor", "openai:m", "--critic", "openai:m", "--base-url", url, "--quiet", "--json"]
            return ["run", str(problems), *flags, "--limit", str(limit), "--out", str(folder)]

        for folder, limit in ((whole, PROBLEMS), (half, PROBLEMS // 2)):
            end = _in_own_process(command(folder, limit))
            assert end.code == 0, end.printed
        found = Counter[str]()
        for index in range(count):
            shutil.rmtree(copy, ignore_errors=True)
            known = half if index % 2 else whole
            shutil.copytree(known, copy)
            place = _flip_one_bit(copy / "journal.sqlite", chance)
            kind = _judge(_in_own_process(command(copy, PROBLEMS)), _traces(copy), _traces(known), _traces(whole))
            found[kind] += 1
            if kind in ("silent", "raw"):
                print(f"  {kind}: {place} of the {known.name} run", file=sys.stderr)
    figure = ", ".join(f"{number} {kind}" for kind, number in found.most_common())
    return [Line(f"{count} bit flips of a journal", figure, not found["silent"] and not found["raw"])]


def _flip_one_bit(file: Path, chance: random.Random) -> str:
    data = bytearray(file.read_bytes())
    place, bit = chance.randrange(len(data)), chance.randrange(8)
    data[place] ^= 1 << bit
    file.write_bytes(data)
    return f"byte {place}, bit {bit}"


def _judge(end: End, traces: list[bytes], known: list[bytes], expected: list[bytes]) -> str:
    """Say what a flip led to.

    Args:
        end: How the command ended.
        traces: Lines of its traces.
        known: Lines that were there before the flip.
        expected: Lines of the whole run.
    """
    is_reported = "damaged" in end.printed
    if end.code == 1 or "Traceback" in end.printed or (end.code == 2 and not is_reported):
        return "raw"
    if end.code == 2:
        return "refused"
    if list(map(_lasting, traces)) != list(map(_lasting, expected)):
        return "reported, and traces differ" if is_reported else "silent"
    if is_reported:
        return "reported and done again"
    return "silent" if set(known) - set(traces) else "without effect"


def _traces(folder: Path) -> list[bytes]:
    return (folder / "traces.jsonl").read_bytes().splitlines()


def _lasting(line: bytes) -> Any:
    """Give a trace without what the clock decides."""

    def strip(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: strip(item) for key, item in value.items() if key not in ("started", "seconds")}
        return [strip(item) for item in value] if isinstance(value, list) else value

    trace = strip(json.loads(line))
    trace["settings"].pop("limit", None)
    return trace


def _in_own_process(arguments: list[str]) -> End:
    """Run a command line in a process that has imported everything already."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["critique_graph.cli", "critique_graph.nodes.chat_openai"])
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(arguments, sending))
    process.start()
    sending.close()
    try:
        code, printed = receiving.recv()
    except EOFError:
        process.join()
        code, printed = 1, f"Traceback: the process ended with {process.exitcode}"
    process.join()
    return End(code, printed)


def _run(arguments: list[str], sending: Connection) -> None:
    printed = io.StringIO()
    sys.stderr = printed
    from critique_graph.cli import run_command

    with contextlib.redirect_stdout(io.StringIO()):
        code = run_command(arguments)
    sending.send((code, printed.getvalue()))
