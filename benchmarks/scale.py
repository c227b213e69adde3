"""Runs at size against simulated servers: slots busy, calls a second, CPU a call, latencies and memory.

    PYTHONPATH=tests python benchmarks/scale.py [--problems 2000] [--shards 1] [--servers 8] [--slots 16] ...

Every shard is a process of its own, `critique-graph run --shard I/N`, and all of them share the servers
(`simulated_servers.py`, one more process): the time of a call follows from its tokens and from what the server has
cached, calls queue for slots, and every hundredth request is refused (503). A problem takes three calls: a response, a
critique and a refinement. The figures are those of the middle of the run, from a fifth to four fifths of the calls, so
that neither the start of a process nor the end of the run counts; memory is that at both ends of this window.
"""

import argparse
import asyncio
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
from faults import sums

from critique_graph.runs.traces import read_traces

ROUNDS = ("--gate", "always", "--rounds", "1")
CALLS = 3
"""Number of calls of a problem."""


@dataclass(frozen=True)
class Moment:
    """What servers and shards have done up to a moment."""

    clock: float
    calls: int
    busy_seconds: float
    cpu_seconds: float
    megabytes: float
    """Resident memory of the largest shard."""


def start_servers(options: argparse.Namespace) -> tuple[subprocess.Popen[bytes], list[str]]:
    """Start the servers; gives their process and their addresses."""
    script = Path(__file__).with_name("simulated_servers.py")
    command = [sys.executable, str(script), str(options.slots), str(options.seconds), str(options.servers)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)  # noqa: S603 - our own servers
    assert process.stdout is not None
    return process, [f"http://127.0.0.1:{port}" for port in json.loads(process.stdout.readline())]


def start_shards(options: argparse.Namespace, folder: Path, urls: Sequence[str]) -> list[subprocess.Popen[bytes]]:
    """Start a run in as many processes as there are shards."""
    problems = folder / "problems.jsonl"
    problems.write_text("".join(f"{problem.model_dump_json()}\n" for problem in sums(options.problems)))
    in_flight = max(1, options.slots * options.servers * 5 // 4 // options.shards)
    command = [sys.executable, "-m", "critique_graph", "run", str(problems), *ROUNDS, "--actor", "openai:m"]
    command += ["--base-url", ",".join(f"{url}/v1" for url in urls), "--concurrency", str(in_flight), "--quiet"]
    return [
        subprocess.Popen(  # noqa: S603 - our own command
            [*command, "--shard", f"{shard}/{options.shards}", "--out", str(folder / f"shard{shard}")],
            stdout=subprocess.DEVNULL,
        )
        for shard in range(1, 1 + options.shards)
    ]


async def look(urls: Sequence[str], shards: Sequence[subprocess.Popen[bytes]]) -> Moment:
    """Ask the servers and the system how far the run is."""
    async with httpx.AsyncClient() as client:
        counts = [(await client.get(f"{url}/counts")).json() for url in urls]
    ticks, pages = 0, 0
    for shard in shards:
        process = Path("/proc", str(shard.pid))
        ticks += sum(map(int, process.joinpath("stat").read_text().rpartition(")")[2].split()[11:13]))
        pages = max(pages, int((process.joinpath("statm").read_text().split() or ["0", "0"])[1]))
    return Moment(
        clock=time.monotonic(),
        calls=sum(count.get("calls", 0) for count in counts),
        busy_seconds=sum(count["busy_seconds"] for count in counts),
        cpu_seconds=ticks / os.sysconf("SC_CLK_TCK"),
        megabytes=pages * resource.getpagesize() / 1e6,
    )


async def watch(options: argparse.Namespace, urls: Sequence[str], shards: Sequence[subprocess.Popen[bytes]]) -> None:
    """Print what happens between a fifth and four fifths of the calls."""
    async with httpx.AsyncClient() as client:
        for url in urls if options.failing else ():
            await client.post(f"{url}/be/failing")
    start = now = await look(urls, shards)
    while now.calls < 0.8 * CALLS * options.problems:
        if any(shard.poll() is not None for shard in shards):
            raise SystemExit("a shard ended before it was measured: give more --problems.")
        await asyncio.sleep(options.seconds)
        now = await look(urls, shards)
        if start.calls < 0.2 * CALLS * options.problems:
            start = now
    calls, seconds = now.calls - start.calls, now.clock - start.clock
    busy, cpu = now.busy_seconds - start.busy_seconds, now.cpu_seconds - start.cpu_seconds
    print(f"slots busy: {busy / seconds / options.slots / options.servers:.1%} of {options.slots * options.servers}")
    print(f"calls: {calls / seconds:,.0f} a second, {calls:,} in {seconds:.0f} s")
    print(f"CPU: {1000 * cpu / calls:.2f} ms a call, {cpu / seconds / options.shards:.0%} of a core for each shard")
    print(f"memory: {start.megabytes:.1f} MB, then {now.megabytes:.1f} MB ({now.megabytes / start.megabytes - 1:+.1%})")


def print_latencies(folders: Sequence[Path]) -> None:
    """Print how long problems took, waiting for slots included."""
    seconds = sorted(trace.seconds for folder in folders for trace in read_traces(folder))
    p50, p99 = (seconds[int(share * (len(seconds) - 1))] for share in (0.5, 0.99))
    print(f"problems: {len(seconds):,} done, p50 {p50:.2f} s, p99 {p99:.2f} s")


def main() -> None:
    """Run, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=2000)
    parser.add_argument("--shards", type=int, default=1, help="processes that share the problems")
    parser.add_argument("--servers", type=int, default=8)
    parser.add_argument("--slots", type=int, default=16, help="of each server")
    parser.add_argument("--seconds", type=float, default=0.5, help="of a reply of 20 tokens")
    parser.add_argument("--failing", action=argparse.BooleanOptionalAction, default=True)
    options = parser.parse_args()
    print(
        f"{options.problems:,} problems, {options.shards} shards, {options.servers} servers of {options.slots} slots, "
        f"load {os.getloadavg()[0]:.1f}",
        flush=True,
    )
    servers, urls = start_servers(options)
    with servers, tempfile.TemporaryDirectory() as folder:
        try:
            shards = start_shards(options, Path(folder), urls)
            asyncio.run(watch(options, urls, shards))
            for shard in shards:
                shard.wait()
            print_latencies([Path(folder, f"shard{number}") for number in range(1, 1 + options.shards)])
        finally:
            servers.kill()


if __name__ == "__main__":
    main()
