"""Pools of servers: eight simulated ones, of which one is killed, one is slow and one refuses half, in one table.

    PYTHONPATH=tests python benchmarks/servers.py [refusing limited routing joining] [--problems 400] [--seconds 2] ...

- `refusing`: one server is killed in mid-run, one is four times as slow, one refuses every second request (503).
  Calls per second against what is left: five servers, a quarter and a half.
- `limited`: the same, but the server refuses what is above half of its slots (429).
- `routing`: prefix-cache hits where a problem's calls go to one server, and where each goes to any.
- `joining`: a server that is added to a file of servers in mid-run: seconds until its first call.

The servers are `simulated_servers.py`, in a process of their own. The exit code is the number of lines that are not as
they should be.
"""

import argparse
import asyncio
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
from faults import play, sums
from table import Line, print_lines

from critique_graph.calls import server_pool
from critique_graph.calls.breaker import Patience
from critique_graph.solve.summary import Summary

LEFT = 5 + 1 / 4 + 1 / 2
"""What is left of eight servers, in servers."""
SETTLING_SECONDS = 15


@contextmanager
def simulated(options: argparse.Namespace) -> Iterator[list[str]]:
    """Start the servers; gives their addresses."""
    script = Path(__file__).with_name("simulated_servers.py")
    command = [sys.executable, str(script), str(options.slots), str(options.seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:  # noqa: S603 - our own servers
        assert process.stdout is not None
        try:
            yield [f"http://127.0.0.1:{port}" for port in json.loads(process.stdout.readline())]
        finally:
            process.kill()


def pool_of(urls: Iterable[str]) -> str:
    """Give the base URL of a pool."""
    return ",".join(f"{url}/v1" for url in urls)


def counted(urls: Iterable[str], name: str) -> int:
    """Add up what the servers have counted."""
    return sum(httpx.get(f"{url}/counts").json().get(name, 0) for url in urls)


def with_faults(kind: str, options: argparse.Namespace) -> list[Line]:
    """Run with a killed, a slow and a refusing server."""

    async def run(urls: Sequence[str], folder: str) -> tuple[Summary, float]:
        *_, refusing, slow, killed = urls
        async with httpx.AsyncClient() as client:
            await client.post(f"{refusing}/be/{kind}")
            await client.post(f"{slow}/be/slow")
            playing = asyncio.create_task(
                play(sums(options.problems), Path(folder), pool_of(urls), Patience(), concurrency=options.concurrency)
            )
            await asyncio.sleep(SETTLING_SECONDS / 3)
            with_error = client.post(f"{killed}/be/killed")
            await asyncio.gather(with_error, return_exceptions=True)
            await asyncio.sleep(SETTLING_SECONDS)
            before, began = await asyncio.to_thread(counted, urls[:-1], "calls"), time.monotonic()
            await asyncio.sleep(options.window)
            after, seconds = await asyncio.to_thread(counted, urls[:-1], "calls"), time.monotonic() - began
            if playing.done():
                raise SystemExit("the run ended before its throughput was measured: give more --problems.")
            return await playing, (after - before) / seconds

    with simulated(options) as urls, tempfile.TemporaryDirectory() as folder:
        end, rate = asyncio.run(run(urls[:8], folder))
    ideal = LEFT * options.slots / options.seconds
    names = dict(zip((f"{url}/v1" for url in urls), [*["well"] * 5, kind, "slow", "killed"], strict=False))
    for share in end.servers:
        print(f"  {names[share.server]}: {share.in_words()}", file=sys.stderr)
    return [
        Line(
            f"{kind}: calls per second, of what is left",
            f"{rate:.2f} of {ideal:.2f}: {rate / ideal:.1%}",
            rate >= 0.95 * ideal,
        ),
        Line(f"{kind}: problems", f"{end.outcomes_in_words()} in {end.seconds:.0f} s", end.done == end.problems),
    ]


def refusing(options: argparse.Namespace) -> list[Line]:
    """Refuse every second request."""
    return with_faults("refusing", options)


def limited(options: argparse.Namespace) -> list[Line]:
    """Refuse what is above half of the slots."""
    return with_faults("limited", options)


def routing(options: argparse.Namespace) -> list[Line]:
    """Count prefix-cache hits with our routing and with a random one."""
    found = {}
    for name, first in (("ours", server_pool._first), ("random", lambda _, names: random.choice(list(names)))):
        server_pool._first = first
        with simulated(options) as urls, tempfile.TemporaryDirectory() as folder:
            problems = sums(options.problems // 2)
            asyncio.run(play(problems, Path(folder), pool_of(urls[:8]), Patience(), concurrency=options.concurrency))
            calls = counted(urls, "calls")
            found[name] = counted(urls, "hits") / (calls - len(problems))
    figure = f"{found['ours']:.0%}; at random {found['random']:.0%}"
    return [
        Line("prefix-cache hits, of calls that are not a problem's first", figure, found["ours"] > 3 * found["random"])
    ]


def joining(options: argparse.Namespace) -> list[Line]:
    """Add a server to the file in mid-run."""

    def write(file: Path, urls: Sequence[str]) -> None:
        file.write_text("".join(f"{url}/v1\n" for url in urls))

    def seconds_until_asked(url: str) -> float:
        began = time.monotonic()
        while not counted([url], "requests"):
            time.sleep(0.1)
        return time.monotonic() - began

    async def run(urls: Sequence[str], folder: str) -> tuple[Summary, float]:
        file = Path(folder, "servers.txt")
        write(file, urls[:2])
        playing = asyncio.create_task(play(sums(80), Path(folder, "run"), f"@{file}", Patience(), concurrency=64))
        await asyncio.sleep(SETTLING_SECONDS / 3)
        write(file, urls[:3])
        seconds = await asyncio.to_thread(seconds_until_asked, urls[2])
        return await playing, seconds

    with simulated(options) as urls, tempfile.TemporaryDirectory() as folder:
        end, seconds = asyncio.run(run(urls, folder))
    joined = next((share for share in end.servers if share.server == f"{urls[2]}/v1"), None)
    share = joined.in_words() if joined else "none"
    is_met = end.done == end.problems and joined is not None and seconds < 5
    return [Line("a server that joins", f"asked after {seconds:.1f} s, {share}, {end.outcomes_in_words()}", is_met)]


PARTS = {"refusing": refusing, "limited": limited, "routing": routing, "joining": joining}


def main() -> int:
    """Run the parts and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=[], metavar="PART", help=f"{', '.join(PARTS)}; by default all")
    parser.add_argument("--problems", type=int, default=400)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--slots", type=int, default=4, help="calls that a server works on at once")
    parser.add_argument("--seconds", type=float, default=2.0, help="what a call takes")
    parser.add_argument("--window", type=float, default=30.0, help="seconds over which throughput is measured")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    return print_lines([line for part in options.parts or PARTS for line in PARTS[part](options)])


if __name__ == "__main__":
    sys.exit(main())
