"""Bits that flip in a run folder: what is whole is kept, the rest is done again or refused; nothing changes unseen."""

import asyncio
import logging
import os
import random
import shutil
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from hashed_model import HashedModel, addition_problems
from killable_run import traces_without_seconds

from critique_graph.core.errors import CritiqueGraphError, RunError
from critique_graph.graphs.actor_critic import create_actor_critic
from critique_graph.problems.problem_set import ProblemSet
from critique_graph.runs.drive import run_graph
from critique_graph.runs.journal import read_journal
from critique_graph.runs.journal_file import PUT, checksummed
from critique_graph.solve.summary import Summary, summarise

PROBLEMS = addition_problems(30)
FLIPS = int(os.environ.get("BIT_FLIPS", "30"))
"""Flips of each run; 200 make the 400 of the fault campaign."""


def play(folder: Path, problems: int = len(PROBLEMS), model: Any = None) -> Summary:
    model = model or HashedModel()
    return asyncio.run(
        run_graph(
            lambda journal: create_actor_critic(model, model, rounds=2, seed=3, log=journal).compile(),
            ProblemSet.of(PROBLEMS[:problems]),
            folder,
            {"seed": 3},
            summarise,
            prompts="p",
        )
    )


def flip(file: Path, bit: int) -> None:
    content = bytearray(file.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    file.write_bytes(content)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "finished"
    play(folder)
    return folder


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of which the process was killed, with half of its commits in the write-ahead log."""
    folder, copy = tmp_path_factory.mktemp("runs") / "whole", tmp_path_factory.mktemp("runs") / "killed"
    play(folder, 12)
    with closing(sqlite3.connect(folder / "journal.sqlite")) as holder:
        holder.execute("BEGIN")
        holder.execute(
            "SELECT count(*) FROM problems"
        ).fetchone()  # reads still, so that the log stays when the run ends
        play(folder, 24)
        shutil.copytree(folder, copy)
    with closing(sqlite3.connect(copy / "journal.sqlite", isolation_level=None)) as journal:
        for position, problem_id, digest in journal.execute(
            "SELECT position, id, digest FROM problems WHERE position >= 20"
        ).fetchall():
            row = checksummed("problems", position, problem_id, digest, "pending", None, None)
            journal.execute(PUT["problems"], row)
        final = tmp_path_factory.mktemp("runs") / "interrupted"
        shutil.copytree(copy, final)
    assert (final / "journal.sqlite-wal").stat().st_size > 100_000
    return final


@pytest.mark.parametrize(("name", "suffix"), [("finished", ""), ("interrupted", ""), ("interrupted", "-wal")])
def test_no_flipped_bit_changes_a_trace_or_ends_in_a_raw_error(
    tmp_path: Path, name: str, suffix: str, request: pytest.FixtureRequest, finished: Path
) -> None:
    original: Path = request.getfixturevalue(name)
    expected, chance = traces_without_seconds(finished), random.Random(len(suffix))
    rows = {row.id: row for row in read_journal(original / "journal.sqlite")}
    size = (original / f"journal.sqlite{suffix}").stat().st_size
    header = [chance.randrange(110 * 8) for _ in range(FLIPS // 5)]  # the most delicate part
    for bit in header + [chance.randrange(size * 8) for _ in range(FLIPS - len(header))]:
        folder = tmp_path / str(bit)
        shutil.copytree(original, folder)
        flip(folder / f"journal.sqlite{suffix}", bit)
        with suppress(CritiqueGraphError):  # damage that is named changes nothing unseen
            assert all(rows[row.id] == row for row in read_journal(folder / "journal.sqlite") if row.trace), bit
        end = play(folder)
        assert (end.done, end.problems, end.pending) == (len(PROBLEMS), len(PROBLEMS), 0), bit
        assert traces_without_seconds(folder) == expected, bit
        shutil.rmtree(folder)


def damage(folder: Path, table: str, column: str, where: str, value: Any) -> None:
    with closing(sqlite3.connect(folder / "journal.sqlite")) as journal, journal:
        journal.execute(f"UPDATE {table} SET {column} = ? WHERE {where}", (value,))


@pytest.mark.parametrize(
    ("column", "value"),
    [("digest", b"other"), ("status", "quarantined"), ("reason", "a reason"), ("trace", b"{}"), ("trace", None)],
)
def test_damaged_row_is_reported_and_its_problem_done_again_from_its_calls(
    tmp_path: Path, finished: Path, column: str, value: Any, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(finished, tmp_path / "run")
    damage(tmp_path / "run", "problems", column, "position = 7", value)
    with pytest.raises(RunError, match=r"damaged or no journal: problem 8 \('p7'\) is not as it was written"):
        list(read_journal(tmp_path / "run" / "journal.sqlite"))
    model = HashedModel()
    with caplog.at_level(logging.WARNING):
        assert play(tmp_path / "run", model=model).done == len(PROBLEMS)
    assert "29 problems and" in caplog.text
    assert "set aside and done again: problem 8 ('p7'); the damaged file is kept as" in caplog.text
    assert model.prompts == []
    assert traces_without_seconds(tmp_path / "run") == traces_without_seconds(finished)
    assert (tmp_path / "run" / "journal.sqlite.damaged").is_file()


def test_damaged_reply_is_made_again(tmp_path: Path, interrupted: Path, finished: Path) -> None:
    shutil.copytree(interrupted, tmp_path / "run")
    damage(tmp_path / "run", "calls", "reply", "problem = 'p21' AND place = 'actor/0/0'", b"{}")
    model = HashedModel()
    play(tmp_path / "run", 24, model=model)
    assert len(model.prompts) == 1
    assert traces_without_seconds(tmp_path / "run") == traces_without_seconds(finished)[:24]


@pytest.mark.parametrize("page", range(1, 12))
def test_lost_page_costs_its_rows_alone(tmp_path: Path, finished: Path, page: int) -> None:
    shutil.copytree(finished, tmp_path / "run")
    with (tmp_path / "run" / "journal.sqlite").open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(bytes(4096))
    model, whole = HashedModel(), HashedModel()
    play(tmp_path / "whole", model=whole)
    assert play(tmp_path / "run", model=model).done == len(PROBLEMS)
    assert len(model.prompts) < len(whole.prompts) / 3
    assert traces_without_seconds(tmp_path / "run") == traces_without_seconds(finished)


def test_fresh_removes_the_damaged_file_too(tmp_path: Path, finished: Path) -> None:
    shutil.copytree(finished, tmp_path / "run")
    damage(tmp_path / "run", "problems", "trace", "position = 7", b"{}")
    play(tmp_path / "run")
    model = HashedModel()
    asyncio.run(
        run_graph(
            lambda journal: create_actor_critic(model, model, rounds=2, seed=3, log=journal).compile(),
            ProblemSet.of(PROBLEMS[:2]),
            tmp_path / "run",
            {"seed": 3},
            summarise,
            prompts="p",
            fresh=True,
        )
    )
    assert not list((tmp_path / "run").glob("*damaged"))


@pytest.mark.parametrize("name", ["traces.jsonl", "manifest.json", "run.yaml"])
def test_flipped_bits_of_the_other_files_change_nothing_unseen(tmp_path: Path, finished: Path, name: str) -> None:
    folder, expected, chance = tmp_path / "run", traces_without_seconds(finished), random.Random(1)
    shutil.copytree(finished, folder)
    content = (folder / name).read_bytes()
    for _ in range(FLIPS):
        flip(folder / name, chance.randrange(len(content) * 8))
        try:
            assert traces_without_seconds(folder) == expected
            assert play(folder).done == len(PROBLEMS)
        except CritiqueGraphError as error:
            assert name == "manifest.json", error  # noqa: PT017 - the other files are made from the journal
        (folder / name).write_bytes(content)


@pytest.mark.parametrize(
    "name", ["journal.sqlite", "journal.sqlite-wal", "journal.sqlite-shm", "traces.jsonl", "manifest.json", "run.yaml"]
)
def test_link_in_a_run_folder_is_not_followed(tmp_path: Path, finished: Path, name: str) -> None:
    shutil.copytree(finished, tmp_path / "run")
    (tmp_path / "run" / name).unlink(missing_ok=True)
    (tmp_path / "elsewhere").write_bytes(b"keep")
    (tmp_path / "run" / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RunError, match=f"{name} is a link or no plain file"):
        play(tmp_path / "run")
    if name.startswith("journal"):
        with pytest.raises(RunError, match=f"{name} is a link"):
            list(read_journal(tmp_path / "run" / "journal.sqlite"))
    if name in ("traces.jsonl", "manifest.json"):
        with pytest.raises(RunError, match=f"{name} is a link"):
            traces_without_seconds(tmp_path / "run")
    assert (tmp_path / "elsewhere").read_bytes() == b"keep"


def test_linked_subfolder_is_not_followed(tmp_path: Path, finished: Path) -> None:
    shutil.copytree(finished, tmp_path / "run")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "run" / "iteration-1").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RunError, match="iteration-1 is a link"):
        play(tmp_path / "run")


def test_pipe_in_a_run_folder_does_not_hang(tmp_path: Path, finished: Path) -> None:
    shutil.copytree(finished, tmp_path / "run")
    (tmp_path / "run" / "manifest.json").unlink()
    os.mkfifo(tmp_path / "run" / "manifest.json")
    with pytest.raises(RunError, match=r"manifest\.json is a link or no plain file"):
        traces_without_seconds(tmp_path / "run")
