"""Several processes work on one run, in a journal that a PostgreSQL server keeps."""

import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hashed_model import HashedModel, addition_problems
from killable_run import traces_without_seconds
from killable_shard import PROBLEMS, play
from killable_worker import CONCURRENCY, kill_workers
from postgres_server import PASSWORD, Server, find_programs, running_server

from critique_graph.calls.caller import CallKey
from critique_graph.cli import run_command
from critique_graph.core.errors import InputError, MissingDependencyError, RunError
from critique_graph.core.schema import Call, Problem, Reply
from critique_graph.runs import shared_journal
from critique_graph.runs.journal import Journal, JournalRow, read_journal, read_usages
from critique_graph.runs.journal_file import read_calls
from critique_graph.runs.outcomes import Outcome
from critique_graph.runs.shared_journal import SharedJournal
from critique_graph.runs.shared_tables import Address
from critique_graph.solve.summary import Summary

DONE, FAILED = Outcome("done"), Outcome("failed", "connection: refused")
KEY = CallKey("p0", "actor", 0, 0)
REPLY = Reply(text="8", call=Call(model="m"))
FULL_DISK = """
CREATE FUNCTION fill_disk() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'could not extend file "base/5/16384": No space left on device' USING ERRCODE = 'disk_full';
END $$;
CREATE TRIGGER full_disk BEFORE INSERT ON critique_graph.calls FOR EACH ROW EXECUTE FUNCTION fill_disk();
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    if (programs := find_programs()) is None:
        pytest.skip("PostgreSQL's initdb is neither on the PATH nor in /usr/lib/postgresql")
    with running_server(programs) as server:
        yield server


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_journal, "POLL_SECONDS", 0)


@pytest.fixture
def address(server: Server, request: pytest.FixtureRequest) -> str:
    """A run of the test's own."""
    return server.address(request.node.originalname.removeprefix("test_"))


def found(summary: Summary) -> dict[str, Any]:
    """What a summary says, less what the clock decides."""
    return summary.model_dump(mode="json", exclude={"seconds", "run"})


def usages(folder: Path) -> list[str]:
    return sorted(str(used) for used in read_usages(folder / "journal.sqlite"))


def session(address: str, folder: Path, problems: Iterable[Problem] = PROBLEMS[:2]) -> SharedJournal:
    """A worker's part, without the worker."""
    with Journal(folder / "journal.sqlite"):
        return SharedJournal(address, {"seed": 1}, problems, copy=folder / "journal.sqlite")


def silence(server: Server) -> None:
    """Let the database take all sessions for dead."""
    with server.connect() as database:
        database.execute("UPDATE critique_graph.sessions SET alive_until = clock_timestamp()")


def leave(journal: SharedJournal) -> None:
    with journal:
        pass


class CallingModel(HashedModel):
    """Does something at one of its calls."""

    at: int = 20
    do: Callable[[], None]

    def _generate(self, *args: Any, **kwargs: Any) -> Any:
        if len(self.prompts) == self.at:
            self.do()
        return super()._generate(*args, **kwargs)


@pytest.mark.slow
def test_killed_workers_lose_nothing_and_settle_nothing_twice(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))  # else the fork server finds nothing to preload
    killed = kill_workers(server, tmp_path, problems=60, kills=4, seed=0)
    play(tmp_path / "whole", problems=addition_problems(60), concurrency=CONCURRENCY)

    assert killed.exit_codes == [0, 0, 0, 0]
    assert killed.kills == 4
    assert killed.outcomes == dict.fromkeys(range(60), 1)
    assert killed.traces == [traces_without_seconds(tmp_path / "whole")] * 4


def test_run_in_a_shared_journal_is_that_of_a_folder_and_a_late_worker_gets_it_without_a_call(
    tmp_path: Path, address: str
):
    whole = play(tmp_path / "whole")
    first = play(tmp_path / "first", journal=address)
    model = HashedModel()
    late = play(tmp_path / "late", journal=address, model=model)

    assert found(first) == found(late) == found(whole)
    assert model.prompts == []
    assert traces_without_seconds(tmp_path / "first") == traces_without_seconds(tmp_path / "whole")
    assert (tmp_path / "first/traces.jsonl").read_bytes() == (tmp_path / "late/traces.jsonl").read_bytes()
    usages = [
        sorted(str(used) for used in read_usages(tmp_path / name / "journal.sqlite")) for name in ("whole", "late")
    ]
    assert usages[0] == usages[1] != []
    assert late.seconds > first.seconds
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and PASSWORD.encode() in path.read_bytes()]


async def test_problem_of_a_silent_session_is_taken_over_with_its_calls_and_its_own_outcome_is_dropped(
    tmp_path: Path, server: Server, address: str
):
    with session(address, tmp_path) as silent, session(address, tmp_path) as other:
        assert await silent.take() == (0, PROBLEMS[0])
        with silent.problem(PROBLEMS[0], 0):
            silent.record(KEY, REPLY)
            assert await silent.take() == (1, PROBLEMS[1])
            assert await other.take() is None
            assert not other.is_finished

            silence(server)
            assert await other.take() == (0, PROBLEMS[0])
            with other.problem(PROBLEMS[0], 0) as status:
                assert (status, other.recall(KEY)) == ("pending", REPLY)
                silent.record(KEY, REPLY.model_copy(update={"text": "too late"}))
                assert not await silent.settle(PROBLEMS[0], FAILED)
                assert await other.settle(PROBLEMS[0], DONE, b"{}")
    assert next(read_journal(tmp_path / "journal.sqlite")) == JournalRow("p0", DONE, b"{}")
    assert list(read_calls(tmp_path / "journal.sqlite")) == [("p0", "actor/0/0", REPLY.model_dump_json().encode())]


async def test_session_that_was_taken_for_dead_keeps_what_nobody_has_taken(
    tmp_path: Path, server: Server, address: str
):
    with session(address, tmp_path) as slow:
        await slow.take()
        silence(server)
        with slow.problem(PROBLEMS[0], 0):
            assert await slow.settle(PROBLEMS[0], DONE, b"{}")


async def test_failed_problem_is_tried_again_by_a_session_that_began_later(tmp_path: Path, address: str):
    with session(address, tmp_path, PROBLEMS[:1]) as first:
        await first.take()
        with first.problem(PROBLEMS[0], 0):
            await first.settle(PROBLEMS[0], FAILED)
        with session(address, tmp_path, PROBLEMS[:1]) as later:
            assert await later.take() == (0, PROBLEMS[0])
            assert await first.take() is None
            assert not first.is_finished, "the outcome may change"
            with later.problem(PROBLEMS[0], 0) as status:
                assert status == "failed"
                await later.settle(PROBLEMS[0], FAILED)
        assert await first.take() is None
        assert first.is_finished


async def test_problem_that_a_lost_answer_gave_is_given_again(tmp_path: Path, server: Server, address: str):
    with session(address, tmp_path) as journal:
        with server.connect() as database:
            database.execute(
                "UPDATE critique_graph.problems SET session = (SELECT max(id) FROM critique_graph.sessions) "
                "WHERE run = (SELECT max(id) FROM critique_graph.runs)"
            )
        assert await journal.take() == (0, PROBLEMS[0])
        assert await journal.take() == (1, PROBLEMS[1])


async def test_leaving_early_frees_problems_at_once(tmp_path: Path, address: str):
    with session(address, tmp_path) as leaving:
        await leaving.take()
    with session(address, tmp_path) as other:
        assert await other.take() == (0, PROBLEMS[0])


async def test_problems_at_the_end_of_the_set_are_added_and_others_are_refused(tmp_path: Path, address: str):
    with session(address, tmp_path) as first:
        leave(session(address, tmp_path, PROBLEMS[:3]))
        assert [await first.take() for _ in range(3)] == list(enumerate(PROBLEMS[:3]))
        for others, place in [(PROBLEMS[1:4], 1), (PROBLEMS[:2], 3), ([*PROBLEMS[:2], PROBLEMS[4]], 3)]:
            with pytest.raises(RunError, match=f"its problem {place} is another one here, or missing. Give every w"):
                session(address, tmp_path, others)


def test_run_that_is_deleted_meanwhile_is_an_error(tmp_path: Path, server: Server, address: str):
    journal = session(address, tmp_path)
    with server.connect() as database:
        database.execute("DELETE FROM critique_graph.runs WHERE id = (SELECT max(id) FROM critique_graph.runs)")
    with pytest.raises(RunError, match="the run was deleted"):
        leave(journal)


def test_other_settings_are_refused_in_the_journal_and_in_the_folder(tmp_path: Path, address: str):
    play(tmp_path / "one", journal=address)
    with pytest.raises(RunError, match=r"rounds was 2, is now 1\. Give every worker the same command, or name another"):
        play(tmp_path / "two", journal=address, rounds=1)
    with pytest.raises(RunError, match=r"journal was 'postgresql://\S+', is now None"):
        play(tmp_path / "one")
    assert play(tmp_path / "three", journal=address, concurrency=2).state == "complete"


def test_database_that_restarts_in_mid_run_changes_nothing(tmp_path: Path, server: Server, address: str):
    def restart() -> None:
        server.stop()
        server.start()

    resumed = play(tmp_path / "resumed", journal=address, model=CallingModel(do=restart))
    assert found(resumed) == found(play(tmp_path / "whole"))
    assert traces_without_seconds(tmp_path / "resumed") == traces_without_seconds(tmp_path / "whole")


def test_database_that_stays_away_ends_the_run_in_one_line_and_the_same_command_resumes(
    tmp_path: Path, server: Server, address: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(shared_journal, "PATIENCE_SECONDS", 0.2)
    model = CallingModel(do=server.stop, at=40)
    try:
        with pytest.raises(RunError, match=r"^cannot use postgresql://\S+: .+\. Nothing committed is lost; the same"):
            play(tmp_path / "run", journal=address, model=model, concurrency=2)
    finally:
        server.start()
    silence(server)
    again = HashedModel()
    assert found(play(tmp_path / "run", journal=address, model=again, concurrency=2)) == found(play(tmp_path / "whole"))
    assert len(again.prompts) < 40, "calls that were kept are not made again"


def test_full_disk_of_the_database_is_one_line_and_the_same_command_resumes(
    tmp_path: Path, server: Server, address: str
):
    play(tmp_path / "tables", problems=PROBLEMS[:1], journal=server.address("tables"))
    with server.connect() as database:
        database.execute(FULL_DISK)
        try:
            with pytest.raises(RunError, match=r"No space left on device\. Nothing committed is lost"):
                play(tmp_path / "run", journal=address)
        finally:
            database.execute("DROP TRIGGER full_disk ON critique_graph.calls")
        silence(server)
    assert found(play(tmp_path / "run", journal=address)) == found(play(tmp_path / "whole"))


def test_wrong_password_and_absent_server_are_one_line_without_the_password(tmp_path: Path, server: Server):
    wrong = server.address(password="wrong-4711")
    for number, (given, said) in enumerate(
        [(wrong, "password authentication failed"), ("postgresql://me:wrong-4711@127.0.0.1:1/app", "/app/run: conn")]
    ):
        with pytest.raises(RunError, match=r"^cannot use postgresql://[^\n]+$") as refused:
            play(tmp_path / str(number), journal=given)
        assert said in str(refused.value)
        assert "wrong-4711" not in str(refused.value)


def test_tables_of_another_format_are_refused(tmp_path: Path, server: Server, address: str):
    play(tmp_path / "tables", problems=PROBLEMS[:1], journal=address)
    with server.connect() as database:
        database.execute("UPDATE critique_graph.format SET version = 2")
        try:
            with pytest.raises(RunError, match="has journals of another format, 2; this version reads format 1"):
                play(tmp_path / "run", journal=address)
        finally:
            database.execute("UPDATE critique_graph.format SET version = 1")


@pytest.mark.parametrize(
    ("text", "run", "database"),
    [
        ("postgresql://worker@host/db", "run", "db"),
        ("postgres://host:5433/db/gsm8k-7b.1", "gsm8k-7b.1", "db"),
        ("postgresql:///db/second?host=/var/run/postgresql", "second", "db"),
        ("postgresql://a:p%40ss@one:5432,two:5433/db?target_session_attrs=read-write", "run", "db"),
    ],
)
def test_address_names_database_and_run(text: str, run: str, database: str):
    address = Address.read(text)
    assert (address.run, address.parameters["dbname"]) == (run, database)


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://me:se/cret@host/db",
        "postgresql://me:12/cret@host/db",
        "postgresql://me:12#cret@host/db",
        "postgresql://me:12?cret@host/db",
        "postgresql://me:cret@host/db?unknown=1",
        "postgresql://me:cret@host/db/run/more",
        "postgresql://me:cret@host/db/a%20run",
    ],
)
def test_text_that_is_no_address_is_refused_without_quoting_it(text: str):
    with pytest.raises(InputError, match="journal: expected postgresql://HOST") as refused:
        Address.read(text)
    assert "cret" not in str(refused.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "--journal", "runs.sqlite"), "journal must be the address of a database: postgresql://HOST/"),
        (("run", "--journal", "postgresql://h/db", "--shard", "1/2"), "journal shares out the problems itself"),
        (("run", "--journal", "postgresql://h/db", "--run-calls", "9"), "budgets of a run (run_tokens, run_calls"),
        (("eval-critic", "x.json", "--journal", "postgresql://h/db"), "Unknown option: --journal"),
    ],
)
def test_what_cannot_go_with_a_shared_journal_is_one_line(
    arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
):
    assert run_command(list(arguments)) == 2
    assert message in " ".join(capsys.readouterr().err.split())


def test_starting_over_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match="fresh: other workers share the journal"):
        play(tmp_path, journal="postgresql://host/db", fresh=True)


def test_missing_psycopg_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "critique_graph.runs.shared_journal", None)
    with pytest.raises(MissingDependencyError, match=r"A shared journal needs psycopg: pip install .*\[postgres\]"):
        play(tmp_path, journal="postgresql://host/db")
