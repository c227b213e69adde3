"""A run whose problem set changed is refused, and the refusal leaves nothing behind."""

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hashed_model import HashedModel, addition_problems

from critique_graph.core.errors import InputError, RunError
from critique_graph.core.schema import Problem
from critique_graph.graphs.actor_critic import create_actor_critic
from critique_graph.problems.problem_set import ProblemSet
from critique_graph.runs.drive import run_graph
from critique_graph.solve.summary import Summary, summarise

FOUR = addition_problems(4)
OTHER = Problem(id="other", question="What is 5 + 5?", answer="10")
SAME_ID = OTHER.model_copy(update={"id": "p1"})


def play(folder: Path, problems: Sequence[Problem], *, limit: int | None = None, model: Any = None) -> Summary:
    model = model or HashedModel()
    return asyncio.run(
        run_graph(
            lambda journal: create_actor_critic(model, model, rounds=1, log=journal).compile(),
            ProblemSet.of(problems[:limit]),
            folder,
            {"limit": limit},
            summarise,
            prompts="p",
        )
    )


def content(folder: Path) -> tuple[list[Any], bytes, bytes]:
    """What a run folder holds: the rows of its journal, and its other files."""
    with closing(sqlite3.connect(folder / "journal.sqlite")) as journal:
        rows = [journal.execute(f"SELECT * FROM {table}").fetchall() for table in ("problems", "calls", "sessions")]
    return rows, (folder / "manifest.json").read_bytes(), (folder / "run.yaml").read_bytes()


CHANGES = {
    "a new first row": [OTHER, *FOUR],
    "a row in the middle": [*FOUR[:2], OTHER, *FOUR[2:]],
    "the first row removed": FOUR[1:],
    "the last row removed": FOUR[:3],
    "all but one removed": FOUR[:1],
    "another question": [FOUR[0], SAME_ID, *FOUR[2:]],
    "another reference": [*FOUR[:3], FOUR[3].model_copy(update={"answer": "999"})],
    "another order": FOUR[::-1],
    "a change and new rows": [OTHER, *FOUR, *(problem.model_copy(update={"id": "x" + problem.id}) for problem in FOUR)],
}


@pytest.mark.parametrize("change", CHANGES)
def test_refused_set_leaves_nothing_behind_and_the_restored_one_is_whole(tmp_path: Path, change: str) -> None:
    play(tmp_path, FOUR)
    before = content(tmp_path)
    with pytest.raises(RunError, match=r"the set has changed\. Restore it"):
        play(tmp_path, CHANGES[change])
    assert content(tmp_path) == before
    end = play(tmp_path, FOUR)
    assert (end.problems, end.done, end.pending, end.exit_code()) == (4, 4, 0, 0)


@pytest.mark.parametrize("change", CHANGES)
def test_rows_can_be_added_at_the_end_after_a_refusal(tmp_path: Path, change: str) -> None:
    play(tmp_path, FOUR)
    with pytest.raises(RunError):
        play(tmp_path, CHANGES[change])
    end = play(tmp_path, [*FOUR, OTHER])
    assert (end.problems, end.done) == (5, 5)


def test_refused_run_with_a_higher_limit_leaves_the_limit_as_it_was(tmp_path: Path) -> None:
    play(tmp_path, FOUR, limit=2)
    with pytest.raises(RunError, match="problem 1 of this run is 'p0'"):
        play(tmp_path, [OTHER, *FOUR], limit=4)
    assert play(tmp_path, FOUR, limit=2).done == 2
    assert play(tmp_path, FOUR, limit=4).done == 4


def test_lower_limit_is_refused_and_leaves_nothing_behind(tmp_path: Path) -> None:
    play(tmp_path, FOUR, limit=3)
    with pytest.raises(RunError, match="limit was 3, is now 2"):
        play(tmp_path, FOUR, limit=2)
    assert play(tmp_path, FOUR, limit=3).done == 3


def test_run_that_ended_over_a_bad_row_goes_on_when_the_row_is_put_right(tmp_path: Path) -> None:
    twice = [*FOUR[:3], FOUR[0], *FOUR[3:]]
    with pytest.raises(Exception, match="'p0' is there twice"):
        play(tmp_path, twice)
    end = play(tmp_path, FOUR)
    assert (end.problems, end.done, end.pending) == (4, 4, 0)


def test_trace_of_a_refusal_by_an_earlier_version_is_forgotten(tmp_path: Path) -> None:
    play(tmp_path, FOUR[:2])
    play(tmp_path / "other", [*FOUR[:2], OTHER])
    with closing(sqlite3.connect(tmp_path / "journal.sqlite")) as journal, journal:
        journal.execute("ATTACH ? AS other", (str(tmp_path / "other" / "journal.sqlite"),))
        journal.execute("INSERT INTO problems SELECT * FROM other.problems WHERE position = 2")
        journal.execute("UPDATE problems SET status = 'pending', trace = NULL WHERE position = 2")
    assert play(tmp_path, FOUR[:2]).problems == 2
    assert play(tmp_path, FOUR).done == 4


def test_appended_row_with_a_known_id_is_refused_before_any_problem_begins(tmp_path: Path) -> None:
    play(tmp_path, FOUR)
    before = content(tmp_path)
    with pytest.raises(InputError, match="the id 'p1' is there twice"):
        play(tmp_path, [*FOUR, OTHER, SAME_ID])
    assert content(tmp_path) == before
