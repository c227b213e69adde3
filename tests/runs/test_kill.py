"""Runs killed by SIGKILL, at random moments and in every stage."""

import random
import signal
from pathlib import Path
from typing import get_args

import killable_generation
import pytest
from killable_run import run, start, traces_without_seconds

from critique_graph.runs.journal import JournalRow, read_journal

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


@pytest.mark.slow
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


@pytest.fixture(scope="module")
def made_at_once(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, object]:
    """The data set and the funnel of a run that nothing stopped."""
    return killable_generation.generate(tmp_path_factory.mktemp("runs") / "whole")


@pytest.mark.slow
@pytest.mark.parametrize("stage", get_args(killable_generation.Stage))
def test_data_of_a_run_killed_in_a_stage_are_those_of_one_that_was_not(
    stage: killable_generation.Stage, tmp_path: Path, made_at_once: tuple[bytes, object]
) -> None:
    process = killable_generation.start(tmp_path / "killed", stage)
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert not (tmp_path / "killed" / "dataset").exists()
    assert killable_generation.generate(tmp_path / "killed") == made_at_once
    assert made_at_once[0].count(b"\n") > 5
