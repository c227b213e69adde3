"""The fault campaign: what a misbehaving server, damaged files and kills do to a run, in one table.

    PYTHONPATH=tests python benchmarks/faults.py [wire outages amplification flips soak kills] [--problems 24000] ...

- `wire`: every fault of `fault_server.py`, shown once and always, to a run of its own: do problems end as they should,
  do the counts add up, is nothing accepted that is cut off, hidden or empty?
- `outages`: a server that refuses connections, hangs, or answers 503 for `--outage-seconds` in the middle of a run.
- `amplification`: requests sent, as a share of different requests, at 5 % faults.
- `flips`: bits flipped in the journals of finished and of interrupted runs (`bit_flips.py`).
- `soak`: one long run at 5 % faults, with problems that are always refused and problems that always break the server.
- `kills`: SIGKILL at random moments (`kill.py`).

Every part runs in a process of its own. The exit code is the number of lines that are not as they should be.
"""

import argparse
import asyncio
import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import bit_flips
import httpx
import kill
from fault_server import FAULTS, WRONG_IF_READ
from table import Line, print_lines

from critique_graph.calls.breaker import Patience
from critique_graph.core.schema import Problem, Trace
from critique_graph.graphs.actor_critic import create_actor_critic
from critique_graph.models.load import load_model
from critique_graph.problems.problem_set import ProblemSet
from critique_graph.runs.drive import run_graph
from critique_graph.runs.journal import JournalRow, read_journal
from critique_graph.runs.outcomes import Outcome
from critique_graph.runs.progress import Progress
from critique_graph.solve.summary import Summary, summarise

TICK = 0.01
"""Seconds between two looks at the event loop's clock."""


@contextmanager
def fault_server() -> Iterator[str]:
    """Start the server in a process of its own; gives its address."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    command = [sys.executable, str(Path(__file__).with_name("fault_server.py")), str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:  # noqa: S603 - our own server
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def sums(count: int) -> list[Problem]:
    """Give problems that the server can solve."""
    return [
        Problem(id=f"p{index}", question=f"What is {index} + {index * 7 % 13}?", answer=str(index + index * 7 % 13))
        for index in range(count)
    ]


async def play(
    problems: Sequence[Problem],
    folder: Path,
    url: str,
    patience: Patience,
    *,
    concurrency: int = 32,
    progress: Progress | None = None,
) -> Summary:
    """Run the loop over the problems, with the model at `url` in both roles."""
    model = load_model("openai:m", base_url=url)
    return await run_graph(
        lambda journal: create_actor_critic(model, model, log=journal).compile(name="actor_critic"),
        ProblemSet.of(problems),
        folder,
        {"url": url},
        summarise,
        prompts="",
        concurrency=concurrency,
        patience=patience,
        progress=progress,
    )


def ending(row: JournalRow) -> str:
    """Say how a problem ended: in the words of `fault_server.Ending`, or as what must not be."""
    if row.outcome.status != "done" or row.trace is None:
        return row.outcome.status
    trace = Trace.model_validate_json(row.trace)
    if trace.answer == WRONG_IF_READ:
        return "answered with what must not be read"
    if trace.answer is not None:
        return "answered"
    response = trace.chains[0].response
    return "cut" if response is not None and response.is_truncated else "accepted without an answer"


def wire(options: argparse.Namespace) -> list[Line]:
    """Show every fault, once and always."""
    names = options.faults or list(FAULTS)
    slots, count = asyncio.Semaphore(6), 4

    async def meet(url: str, mode: str, fault: str) -> str | None:
        """Give what is wrong, or None."""
        allowed = FAULTS[fault].once if mode == "once" else FAULTS[fault].always
        with tempfile.TemporaryDirectory() as folder:
            async with slots:
                address = f"{url}/{mode}/{fault.replace(' ', '%20')}/v1"
                end = await play(sums(count), Path(folder), address, Patience(call_timeout=5, outage=2))
            ends = Counter(map(ending, read_journal(Path(folder, "journal.sqlite"))))
        if end.done + end.failed + end.quarantined != count or ends.total() != count:
            return f"{fault}, {mode}: {end.outcomes_in_words()}"
        return None if set(ends) <= allowed else f"{fault}, {mode}: {dict(ends)}, not {sorted(allowed)}"

    async def meet_all(url: str) -> list[str | None]:
        return await asyncio.gather(*(meet(url, mode, fault) for fault in names for mode in ("once", "always")))

    with fault_server() as url:
        wrong = [found for found in asyncio.run(meet_all(url)) if found]
    for found in wrong:
        print(f"  {found}", file=sys.stderr)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return [
        Line(f"{len(names)} wire faults, once and always", f"{2 * len(names) - len(wrong)} as expected", not wrong),
        Line("peak memory meanwhile", f"{peak:.0f} MB", peak < 1000),
    ]


def outages(options: argparse.Namespace) -> list[Line]:
    """Take the server out in the middle of a run, in three ways."""

    async def survive(url: str, kind: str, folder: str) -> tuple[Summary, float]:
        started = time.monotonic()
        run = asyncio.create_task(
            play(sums(600), Path(folder), f"{url}/v1", Patience(call_timeout=10, outage=600), concurrency=16)
        )
        await asyncio.sleep(1.5)
        async with httpx.AsyncClient() as client:
            await client.post(f"{url}/out/{kind}/{options.outage_seconds}")
        return await run, time.monotonic() - started

    lines = []
    for kind in ("refuses", "hangs", "503"):
        with fault_server() as url, tempfile.TemporaryDirectory() as folder:
            end, seconds = asyncio.run(survive(url, kind, folder))
            shown = counts(url)["shown"].get(f"while it {kind}", 0)
        sent = "" if kind == "refuses" else f", {shown} requests into it"
        lines.append(
            Line(
                f"outage of {options.outage_seconds} s: {kind}",
                f"{end.outcomes_in_words()} in {seconds:.0f} s{sent}",
                end.done == end.problems and seconds > options.outage_seconds,
            )
        )
    return lines


def counts(url: str) -> dict[str, Any]:
    """Ask the server what it has counted."""
    found: dict[str, Any] = httpx.get(f"{url}/counts").json()
    return found


def amplification(options: argparse.Namespace) -> list[Line]:
    """Count the requests at 5 % faults."""
    with fault_server() as url, tempfile.TemporaryDirectory() as folder:
        end = asyncio.run(play(sums(1000), Path(folder), f"{url}/some/0.05/v1", Patience()))
        found = counts(url)
    ratio = found["requests"] / found["different"]
    figure = f"{ratio:.3f} ({found['requests']} for {found['different']}), {end.outcomes_in_words()}"
    return [Line("requests sent at 5 % faults, as a share of different ones", figure, ratio <= 1.1)]


class _Counting(Progress):
    """Counts the problems that have ended, instead of showing them."""

    ended = 0

    def update(self, outcome: Outcome, result: Mapping[str, Any] | None) -> None:
        self.ended += 1


def soak(options: argparse.Namespace) -> list[Line]:
    """Run for long, with faults, and watch memory and event loop."""
    count: int = options.problems
    words = {0: " [refused]", 200: " [broken]"}
    problems = [
        problem.model_copy(update={"question": problem.question + words.get(index % 400, "")})
        for index, problem in enumerate(sums(count))
    ]
    seen = _Counting(quiet=True)
    late: list[float] = []
    busy: list[float] = []
    memory: list[tuple[int, int]] = []

    async def watch() -> None:
        while True:
            before, worked = time.perf_counter(), time.thread_time()
            await asyncio.sleep(TICK)
            late.append(time.perf_counter() - before - TICK)
            busy.append(time.thread_time() - worked)
            if len(late) % 100 == 0:
                memory.append((seen.ended, _resident()))

    async def run(url: str, folder: str) -> Summary:
        watching = asyncio.create_task(watch())
        try:
            return await play(problems, Path(folder), f"{url}/some/0.05/v1", Patience(), progress=seen)
        finally:
            watching.cancel()

    started = time.monotonic()
    with fault_server() as url, tempfile.TemporaryDirectory() as folder:
        end = asyncio.run(run(url, folder))
        found = counts(url)
    warm = max((size for ended, size in memory if ended < 0.2 * count), default=0)
    last = max((size for ended, size in memory if ended > 0.9 * count), default=0)
    growth = last / warm - 1 if warm else float("nan")
    poisoned = len(range(0, count, 400))
    is_whole = end.done + end.failed + end.quarantined == count
    return [
        Line(
            f"soak, {count:,} problems at 5 % faults",
            f"{end.outcomes_in_words()} in {time.monotonic() - started:.0f} s, {found['requests']:,} requests",
            is_whole and end.quarantined == poisoned and end.failed == len(range(200, count, 400)),
        ),
        Line("memory after a fifth, and at the end", f"{warm / 1e6:.0f} MB, {growth:+.1%}", growth < 0.1),
        Line("event loop late (waiting for a processor included): p99, p99.9, most", _tail(late), True),
        Line("event loop busy between two ticks: p99, p99.9, most", _tail(busy), _share(busy, 0.999) < 0.1),
    ]


def _tail(seconds: Sequence[float]) -> str:
    return ", ".join(f"{1000 * _share(seconds, share):.0f} ms" for share in (0.99, 0.999, 1))


def _share(seconds: Sequence[float], share: float) -> float:
    """Give the value that this share of the values does not exceed."""
    return sorted(seconds)[int(share * (len(seconds) - 1))]


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def flips(options: argparse.Namespace) -> list[Line]:
    """Flip bits of journals."""
    with fault_server() as url:
        return bit_flips.flip(options.flips, f"{url}/v1", seed=options.seed)


def kills(options: argparse.Namespace) -> list[Line]:
    """Kill runs."""
    return kill.kill_over_and_over(options.kills, problems=60 * options.kills, most_seconds=1.5, seed=options.seed)


PARTS = {
    "wire": wire,
    "outages": outages,
    "amplification": amplification,
    "flips": flips,
    "soak": soak,
    "kills": kills,
}


def main() -> int:
    """Run the parts and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=[], metavar="PART", help=f"{', '.join(PARTS)}; by default all")
    parser.add_argument("--faults", nargs="+", metavar="FAULT", help="wire: only these")
    parser.add_argument("--outage-seconds", type=int, default=45)
    parser.add_argument("--flips", type=int, default=400)
    parser.add_argument("--problems", type=int, default=24_000, help="soak: number of problems")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    lines = []
    for part in options.parts or PARTS:
        started = time.monotonic()
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as own_process:
            lines += own_process.submit(PARTS[part], options).result()
        print(f"{part}: {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    return print_lines(lines)


if __name__ == "__main__":
    sys.exit(main())
