"""Kills a run by SIGKILL at random moments, over and over, and checks that nothing is lost, doubled or changed.

    PYTHONPATH=tests python benchmarks/kill.py --kills 200 --problems 2000    # about 10 minutes

After every kill, it checks that all problems that were settled before are still there, unchanged. In the end, it checks
that every problem is there exactly once, and that the traces equal those of an undisturbed run.
"""

import argparse
import random
import signal
import sqlite3
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

from killable_run import run, start, traces_without_seconds
from table import Line, print_lines

from critique_graph.runs.journal import JournalRow, read_journal

LATENCY = 0.1
"""Maximum number of seconds that a call takes."""


def settled(folder: Path) -> dict[str, JournalRow]:
    """Give the problems that have ended, by id."""
    journal = folder / "journal.sqlite"
    if not journal.exists() or journal.stat().st_size == 0:
        return {}
    return {row.id: row for row in read_journal(journal) if row.trace is not None}


def count_calls(folder: Path) -> int:
    """Count the calls in the journal."""
    with closing(sqlite3.connect(folder / "journal.sqlite")) as connection:
        return int(connection.execute("SELECT count(*) FROM calls").fetchone()[0])


def kill_over_and_over(kills: int, *, problems: int, most_seconds: float, seed: int) -> list[Line]:
    """Kill a run again and again, let it end, and compare it with an undisturbed one."""
    chance, started, killed_times, lost = random.Random(seed), time.monotonic(), 0, 0
    kept: dict[str, JournalRow] = {}
    with tempfile.TemporaryDirectory() as temporary:
        killed, whole = Path(temporary, "killed"), Path(temporary, "whole")
        while killed_times < kills:
            process = start(killed, problems, LATENCY)
            process.join(chance.uniform(0, most_seconds))
            process.kill()
            process.join()
            if process.exitcode != -signal.SIGKILL:
                break
            killed_times += 1
            before, kept = kept, settled(killed)
            lost += sum(kept.get(name) != row for name, row in before.items())
        seconds, ended = time.monotonic() - started, len(kept)
        assert run(killed, problems, LATENCY) == 0
        assert run(whole, problems, LATENCY) == 0
        traces = traces_without_seconds(killed)
        ids = [trace["problem"]["id"] for trace in traces]
        twice, missing = len(ids) - len(set(ids)), problems - len(set(ids))
        is_equal = traces == traces_without_seconds(whole)
        calls = count_calls(killed), count_calls(whole)
    return [
        Line("kills at random moments", f"{killed_times} in {seconds:.0f} s, seed {seed}", killed_times == kills),
        Line("settled before the last kill, and lost", f"{ended} of {problems}, {lost} lost", not lost),
        Line("problems twice, and missing", f"{twice}, {missing}", not twice and not missing),
        Line("traces as without kills", f"{is_equal} (n = {len(traces)})", is_equal),
        Line("calls in the journal, and without kills", f"{calls[0]:,}, {calls[1]:,}", calls[0] == calls[1]),
    ]


def main() -> int:
    """Kill, check, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--problems", type=int, default=2000)
    parser.add_argument("--most-seconds", type=float, default=1.5, help="maximum duration of a session")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    return print_lines(
        kill_over_and_over(
            options.kills, problems=options.problems, most_seconds=options.most_seconds, seed=options.seed
        )
    )


if __name__ == "__main__":
    sys.exit(main())
