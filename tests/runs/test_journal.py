import asyncio
import resource
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from critique_graph.calls.caller import CallKey
from critique_graph.core.errors import InputError, RunError
from critique_graph.core.schema import Call, Problem, Reply, Usage
from critique_graph.runs.journal import Journal, JournalRow, read_journal
from critique_graph.runs.journal_file import FORMAT, PUT, TABLES, checksummed
from critique_graph.runs.outcomes import Outcome

PROBLEM = Problem(id="p1", question="What is 1 + 2?", answer="3")
KEY = CallKey("p1", "actor", 0, 0)
REPLY = Reply(text="Drei — 3 \u2028", call=Call(model="m", seed=7, usage=Usage(calls=1, output_tokens=5)))
DONE = Outcome("done")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


def record_reply(path: Path, outcome: Outcome | None = None, trace: bytes | None = None) -> None:
    async def session() -> None:
        with Journal(path) as journal, journal.problem(PROBLEM, 0):
            journal.record(KEY, REPLY)
            if outcome is not None:
                await journal.settle(PROBLEM, outcome, trace)

    asyncio.run(session())


def visit(journal: Journal, problem: Problem, position: int = 0) -> None:
    with journal.problem(problem, position):
        pass


def test_reply_of_an_interrupted_problem_is_recalled_by_the_next_session(path: Path) -> None:
    record_reply(path)
    with Journal(path) as journal, journal.problem(PROBLEM, 0) as status:
        assert status == "pending"
        assert journal.recall(KEY) == REPLY


def test_unknown_call_recalls_nothing(path: Path) -> None:
    record_reply(path)
    with Journal(path) as journal, journal.problem(PROBLEM, 0):
        assert journal.recall(KEY._replace(round=1)) is None
        assert journal.recall(KEY._replace(role="critic")) is None


def test_replies_of_a_failed_problem_are_kept_for_the_next_try(path: Path) -> None:
    record_reply(path, Outcome("failed", "connection: refused"))
    with Journal(path) as journal, journal.problem(PROBLEM, 0) as status:
        assert status == "failed"
        assert journal.recall(KEY) == REPLY


@pytest.mark.parametrize("status", ["done", "quarantined"])
def test_status_of_a_settled_problem_is_given(path: Path, status: str) -> None:
    record_reply(path, Outcome(status))  # type: ignore[arg-type]
    with Journal(path) as journal, journal.problem(PROBLEM, 0) as found:
        assert found == status


async def test_outcome_is_on_disk_when_settle_returns(path: Path) -> None:
    with Journal(path) as journal, journal.problem(PROBLEM, 0):
        await journal.settle(PROBLEM, DONE, b'{"a": 1}')
        assert list(read_journal(path)) == [JournalRow("p1", DONE, b'{"a": 1}')]


async def test_rows_come_in_the_order_of_the_problem_set(path: Path) -> None:
    problems = [Problem(id=name, question=name) for name in "cab"]
    with Journal(path) as journal:
        for position in (2, 0, 1):
            with journal.problem(problems[position], position):
                await journal.settle(problems[position], DONE)
    assert [row.id for row in read_journal(path)] == ["c", "a", "b"]


async def test_counts_add_up_over_sessions(path: Path) -> None:
    for position, status in enumerate(["done", "failed", "quarantined", "done"]):
        problem = Problem(id=str(position), question="?")
        with Journal(path) as journal, journal.problem(problem, position):
            await journal.settle(problem, Outcome(status))  # type: ignore[arg-type]
    with Journal(path) as journal:
        visit(journal, PROBLEM, position=4)
    with Journal(path) as journal:
        assert journal.counts() == {"done": 2, "failed": 1, "quarantined": 1, "pending": 1}


def test_seconds_of_earlier_sessions_are_added(path: Path) -> None:
    record_reply(path)
    with sqlite3.connect(path) as connection:
        connection.execute(PUT["sessions"], checksummed("sessions", 1, 100.0))
    connection.close()
    with Journal(path) as journal:
        assert 100 < journal.seconds() < 110


def test_journal_closes_when_the_wait_for_further_writes_is_just_over(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Over(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            return super().wait() if timeout is None else False

    monkeypatch.setattr(threading, "Event", Over)

    def use() -> None:
        with Journal(path):
            pass

    user = threading.Thread(target=use, daemon=True)
    user.start()
    user.join(30)

    assert not user.is_alive()


def test_id_that_occurs_twice_is_refused(path: Path) -> None:
    record_reply(path, DONE)
    with Journal(path) as journal, pytest.raises(InputError, match=r"problem 4: its id 'p1' occurs twice"):
        visit(journal, PROBLEM, position=3)


def test_id_that_occurs_twice_in_flight_is_refused(path: Path) -> None:
    with Journal(path) as journal, journal.problem(PROBLEM, 0), pytest.raises(InputError, match="twice"):
        visit(journal, PROBLEM, position=1)


def test_problem_that_changed_since_the_run_began_is_refused(path: Path) -> None:
    record_reply(path)
    changed = PROBLEM.model_copy(update={"question": "What is 1 + 3?"})
    with (
        Journal(path) as journal,
        pytest.raises(RunError, match="problem 1 of this run is 'p1'; now it is another one"),
    ):
        visit(journal, changed)


def test_problem_that_is_not_unicode_is_refused(path: Path) -> None:
    with Journal(path) as journal, pytest.raises(InputError, match="'p2' is not valid Unicode"):
        visit(journal, Problem(id="p2", question="\ud800"))


def test_file_that_is_no_journal_is_refused_and_left_alone(path: Path) -> None:
    path.write_bytes(b"not a database, but somebody's data " * 100)
    before = path.read_bytes()
    with pytest.raises(RunError, match="is damaged or no journal: file is not a database"):
        Journal(path)
    assert path.read_bytes() == before


def test_row_that_is_torn_is_lost_alone(path: Path) -> None:
    record_reply(path, DONE, b"x" * 100_000)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)
    with Journal(path) as journal, journal.problem(PROBLEM, 0) as status:
        assert status is None or status == "pending"
        assert journal.recall(KEY) == REPLY


def test_unreadable_reply_is_made_again(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    record_reply(path)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE calls SET reply = x'7b'")
    connection.close()
    with Journal(path) as journal, journal.problem(PROBLEM, 0):
        assert journal.recall(KEY) is None
    assert "a reply of problem 'p1' is damaged; its call is made again" in caplog.text


def test_journal_of_a_newer_format_is_refused(path: Path) -> None:
    record_reply(path)
    with sqlite3.connect(path) as connection:
        connection.execute("ALTER TABLE problems ADD COLUMN colour TEXT")
        connection.execute(f"PRAGMA user_version = {FORMAT + 1}")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(RunError, match=f"has format {FORMAT + 1}; this version reads formats up to {FORMAT}"):
        Journal(path)
    with pytest.raises(RunError, match=f"has format {FORMAT + 1}"):
        list(read_journal(path))
    assert path.read_bytes() == before


def test_journal_of_format_1_is_read_and_resumed(path: Path) -> None:
    with Journal(path) as journal, journal.problem(PROBLEM, 0):
        journal.record(KEY, REPLY)
    with sqlite3.connect(path) as connection:
        (problem,) = connection.execute("SELECT position, id, digest, status, reason, trace FROM problems")
        (call,) = connection.execute("SELECT problem, place, reply FROM calls")
    connection.close()
    path.unlink()
    with sqlite3.connect(path, isolation_level=None) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(TABLES[1])
        connection.execute("INSERT INTO problems VALUES (?, ?, ?, ?, ?, ?)", problem)
        connection.execute("INSERT INTO calls VALUES (?, ?, ?)", call)
        connection.execute("INSERT INTO sessions VALUES (1, 100)")
    connection.close()
    assert list(read_journal(path)) == [JournalRow("p1", Outcome("pending"), None)]
    with Journal(path) as journal, journal.problem(PROBLEM, 0) as status:
        assert (status, journal.recall(KEY)) == ("pending", REPLY)
        assert journal.seconds() > 100
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (FORMAT,)
    connection.close()


def test_missing_folder_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"cannot use .*: unable to open database file"):
        Journal(tmp_path / "absent" / "journal.sqlite")


async def fill(path: Path, settled: list[JournalRow]) -> None:
    """Settle a hundred problems of 10 kB."""
    with Journal(path) as journal:
        for position in range(100):
            problem = Problem(id=f"p{position}", question="?")
            with journal.problem(problem, position):
                await journal.settle(problem, DONE, bytes(10_000))
            settled.append(JournalRow(problem.id, DONE, bytes(10_000)))


@pytest.fixture
def files_of_200_kb_at_most() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.usefixtures("files_of_200_kb_at_most")
async def test_file_that_cannot_grow_ends_in_one_clear_line_and_keeps_what_was_committed(path: Path) -> None:
    settled: list[JournalRow] = []
    with pytest.raises(RunError, match=r"cannot use .*journal\.sqlite: .* Nothing committed is lost"):
        await fill(path, settled)
    assert 5 < len(settled) < 100
    assert [row for row in read_journal(path) if row.outcome == DONE] == settled


def test_memory_holds_the_calls_of_open_problems_only(path: Path) -> None:
    record_reply(path)
    with Journal(path) as journal:
        with journal.problem(PROBLEM, 0):
            assert journal.recall(KEY) == REPLY
        with pytest.raises(KeyError):
            journal.recall(KEY)
