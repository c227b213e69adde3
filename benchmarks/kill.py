"""Kills a run by SIGKILL at random moments, over and over, and checks that nothing is lost, doubled or changed.

    PYTHONPATH=tests python benchmarks/kill.py --kills 200 --problems 2000    # about 10 minutes

After every kill, it checks that all problems that were settled before are still there, unchanged. In the end, it checks
that every problem is there exactly once, and that the traces equal those of an undisturbed run.
"""

import argparse
import random
import signal
import sqlite3
import tempfile
import time
from contextlib import closing
from pathlib import Path

from killable_run import run, start, traces_without_seconds

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


def main() -> None:
    """Kill, check, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--problems", type=int, default=2000)
    parser.add_argument("--most-seconds", type=float, default=1.5, help="maximum duration of a session")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    chance, started, kills, lost = random.Random(options.seed), time.monotonic(), 0, 0
    kept: dict[str, JournalRow] = {}
    with tempfile.TemporaryDirectory() as temporary:
        killed, whole = Path(temporary, "killed"), Path(temporary, "whole")
        while kills < options.kills:
            process = start(killed, options.problems, LATENCY)
            process.join(chance.uniform(0, options.most_seconds))
            process.kill()
            process.join()
            if process.exitcode != -signal.SIGKILL:
                break
            kills += 1
            before, kept = kept, settled(killed)
            lost += sum(kept.get(name) != row for name, row in before.items())
        ended = len(kept)
        assert run(killed, options.problems, LATENCY) == 0
        assert run(whole, options.problems, LATENCY) == 0
        traces = traces_without_seconds(killed)
        ids = [trace["problem"]["id"] for trace in traces]
        print(f"kills                  {kills} in {time.monotonic() - started:.0f} s, seed {options.seed}")
        print(f"settled before the end {ended} of {options.problems}")
        print(f"settled and then lost  {lost}")
        print(f"problems twice         {len(ids) - len(set(ids))}")
        print(f"problems missing       {options.problems - len(set(ids))}")
        print(f"traces equal           {traces == traces_without_seconds(whole)} (n = {len(traces)})")
        print(f"calls in the journal   {count_calls(killed)}, unkilled {count_calls(whole)}")


if __name__ == "__main__":
    main()
