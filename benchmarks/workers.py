"""Kills workers of a shared journal by SIGKILL at random moments, and checks that nothing is lost, doubled or changed.

    PYTHONPATH=tests python benchmarks/workers.py --kills 20 --problems 2000

Four processes work on one run, in the journal of a PostgreSQL server that the benchmark starts. Two at a time are
killed and started again. A trigger of the database counts how often a problem is settled.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from hashed_model import addition_problems
from killable_run import traces_without_seconds
from killable_shard import play
from killable_worker import CONCURRENCY, kill_workers
from postgres_server import find_programs, running_server
from table import Line, print_lines


def kill_over_and_over(kills: int, *, problems: int, seed: int) -> list[Line]:
    """Kill workers again and again, let the run end, and compare it with one of one process."""
    programs = find_programs()
    assert programs is not None, "PostgreSQL is not installed"
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, running_server(programs) as server:
        found = kill_workers(server, Path(folder), problems=problems, kills=kills, seed=seed)
        seconds = time.monotonic() - started
        play(Path(folder, "whole"), problems=addition_problems(problems), concurrency=CONCURRENCY)
        whole = traces_without_seconds(Path(folder, "whole"))
    lost = problems - len(found.outcomes)
    twice = sum(count > 1 for count in found.outcomes.values())
    equal = [traces == whole for traces in found.traces]
    return [
        Line("kills at random moments", f"{found.kills} in {seconds:.0f} s, seed {seed}", found.kills == kills),
        Line("problems lost, and settled twice", f"{lost}, {twice} of {problems}", not lost and not twice),
        Line("workers with the traces of one process", f"{sum(equal)} of {len(equal)}", all(equal)),
    ]


def main() -> int:
    """Kill, check, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--problems", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    return print_lines(kill_over_and_over(options.kills, problems=options.problems, seed=options.seed))


if __name__ == "__main__":
    sys.exit(main())
