"""Runs killed by SIGKILL at random moments."""

import random
import signal
from pathlib import Path

from killable_run import run, start, traces_without_seconds

from critique_graph.journal import JournalRow, read_journal

PROBLEMS, LATENCY = 50, 0.05


def kill_after(folder: Path, seconds: float) -> bool:
    """Start the run and kill it; False when it ended before."""
    process = start(folder, PROBLEMS, LATENCY)
    process.join(seconds)
    process.kill()
    process.join()
    return process.exitcode == -signal.SIGKILL


def settled(folder: Path) -> list[JournalRow]:
    journal = folder / "journal.sqlite"
    return [row for row in read_journal(journal) if row.trace is not None] if journal.exists() else []


def test_killed_run_resumes_to_every_problem_exactly_once_and_the_same_traces(tmp_path: Path) -> None:
    run(tmp_path / "whole", PROBLEMS, LATENCY)
    chance, kills, kept = random.Random(0), 0, list[JournalRow]()
    for _ in range(10):
        kills += kill_after(tmp_path / "killed", chance.uniform(0.05, 0.6))
        before, kept = kept, settled(tmp_path / "killed")
        assert set(before) <= set(kept), "a kill lost or changed what was settled"
    assert kills >= 2
    assert run(tmp_path / "killed", PROBLEMS, LATENCY) == 0
    assert traces_without_seconds(tmp_path / "killed") == traces_without_seconds(tmp_path / "whole")
