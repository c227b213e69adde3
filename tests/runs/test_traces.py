from pathlib import Path

import pytest

from critique_graph.core.errors import InputError
from critique_graph.core.schema import Ballot, Problem, Trace, Usage
from critique_graph.runs.folder import open_run
from critique_graph.runs.outcomes import Outcome
from critique_graph.runs.traces import read_traces


def trace(name: str) -> Trace:
    return Trace(
        problem=Problem(id=name, question="What is 1 + 2?", answer="3"),
        graph="actor_critic",
        settings={"samples": 1},
        chains=(),
        ballot=Ballot(rule="majority"),
        answer="3",
        correct=True,
        usage={"actor": Usage(), "critic": Usage(), "total": Usage()},
        seconds=1.5,
    )


def line(name: str) -> bytes:
    return trace(name).model_dump_json(by_alias=True).encode()


async def settle(folder: Path, name: str, *, position: int, state: str | None = None) -> None:
    problem = Problem(id=name, question="?")
    with open_run(folder, {}, prompts="p") as run:
        with run.journal.problem(problem, position):
            await run.journal.settle(problem, Outcome("done"), line(name))
        if state is not None:
            run.write_traces()
            run.write_manifest(state)  # type: ignore[arg-type]


def test_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "mine.jsonl").write_bytes(line("a") + b"\n" + line("b") + b"\n\n")
    assert list(read_traces(tmp_path / "mine.jsonl")) == [trace("a"), trace("b")]


def test_path_may_be_a_string(tmp_path: Path) -> None:
    (tmp_path / "mine.jsonl").write_bytes(line("a"))
    assert list(read_traces(str(tmp_path / "mine.jsonl"))) == [trace("a")]


def test_unknown_fields_of_newer_versions_are_ignored(tmp_path: Path) -> None:
    (tmp_path / "mine.jsonl").write_bytes(line("a").replace(b'{"schema"', b'{"colour": "red", "schema"', 1))
    assert list(read_traces(tmp_path / "mine.jsonl")) == [trace("a")]


@pytest.mark.parametrize("state", ["complete", "interrupted", "stopped_early"])
async def test_folder_of_an_ended_run_is_read(tmp_path: Path, state: str) -> None:
    await settle(tmp_path, "a", position=0, state=state)
    assert list(read_traces(tmp_path)) == [trace("a")]


async def test_folder_that_holds_only_traces_is_read(tmp_path: Path) -> None:
    (tmp_path / "traces.jsonl").write_bytes(line("a"))
    assert list(read_traces(tmp_path)) == [trace("a")]


async def test_folder_of_a_run_that_goes_on_gives_what_is_finished(tmp_path: Path) -> None:
    await settle(tmp_path, "a", position=0, state="interrupted")
    problem = Problem(id="b", question="?")
    with open_run(tmp_path, {}, prompts="p") as run, run.journal.problem(problem, 1):
        await run.journal.settle(problem, Outcome("done"), line("b"))
        assert list(read_traces(tmp_path)) == [trace("a"), trace("b")]


async def test_problems_without_a_trace_are_left_out(tmp_path: Path) -> None:
    problem = Problem(id="b", question="?")
    with open_run(tmp_path, {}, prompts="p") as run, run.journal.problem(problem, 1):
        await run.journal.settle(problem, Outcome("quarantined", "RuntimeError: no worker"))
    await settle(tmp_path, "a", position=0)
    assert list(read_traces(tmp_path)) == [trace("a")]


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (b'{"schema": "critique-graph', "line 2 is not a trace: Invalid JSON"),
        (b"[]", "line 2 is not a trace: Input should be an object"),
        (line("b").replace(b"trace/1", b"trace/9"), "line 2 is not a trace: schema: "),
        (b"\xff\xfe", "line 2 is not a trace: Invalid JSON"),
    ],
    ids=["torn", "list", "other schema", "binary"],
)
def test_broken_line_is_named(tmp_path: Path, broken: bytes, message: str) -> None:
    (tmp_path / "mine.jsonl").write_bytes(line("a") + b"\n" + broken + b"\n")
    traces = read_traces(tmp_path / "mine.jsonl")
    assert next(traces) == trace("a")
    with pytest.raises(InputError, match=message):
        next(traces)


@pytest.mark.parametrize("name", ["absent", "."], ids=["no file", "no run"])
def test_path_without_traces_is_refused_at_once(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"there are no traces here. Give a run folder or a traces\.jsonl"):
        read_traces(tmp_path / name)
