"""An application's checkpoints as traces: those of finished threads, equal to the traces of a run."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from fakes import ScriptedModel, critique_text, solution
from hashed_model import HashedModel, addition_problems
from killable_run import SETTINGS, run, traces_without_seconds
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import START, StateGraph

from critique_graph.cli import run_command
from critique_graph.core.errors import InputError
from critique_graph.core.schema import Problem
from critique_graph.core.state import ActorCriticInput
from critique_graph.graphs.actor_critic import create_actor_critic
from critique_graph.runs.checkpoints import read_checkpoints

PROBLEMS = addition_problems(6)


def application(file: Path, *, inside: bool = False) -> Any:
    """The loop with checkpoints in a file; `inside` a graph of the application's own."""
    saver = SqliteSaver(sqlite3.connect(file, check_same_thread=False))
    loop = create_actor_critic(HashedModel(), HashedModel(), **SETTINGS)
    if not inside:
        return loop.compile(checkpointer=saver)
    outer = StateGraph(ActorCriticInput)
    outer.add_node("loop", loop.compile(name="actor_critic"))
    outer.add_edge(START, "loop")
    return outer.compile(checkpointer=saver)


def ask(app: Any, problem: Problem, **options: Any) -> None:
    given = {"id": problem.id, "question": problem.question, "reference": problem.answer}
    app.invoke(given, {"configurable": {"thread_id": problem.id}}, **options)


def without_what_a_run_adds(traces: list[Any]) -> list[Any]:
    """Remove the settings, the prompts, the graph's name and the problems' levels, which only a run knows."""
    unknown = {"settings": {}, "prompts": None, "graph": ""}
    return sorted(
        ({**trace, **unknown, "problem": {**trace["problem"], "level": None}} for trace in traces),
        key=lambda trace: trace["problem"]["id"],
    )


@pytest.mark.parametrize("inside", [False, True], ids=["alone", "inside another graph"])
def test_traces_of_an_application_are_those_of_a_run(tmp_path: Path, inside: bool) -> None:
    app = application(tmp_path / "app.sqlite", inside=inside)
    for problem in PROBLEMS:
        ask(app, problem)
    run(tmp_path / "run", len(PROBLEMS), 0.0)
    (tmp_path / "app").mkdir()
    command = ["export", "--checkpoints", str(tmp_path / "app.sqlite"), "--to", "traces"]
    assert run_command([*command, "--out", str(tmp_path / "app" / "traces.jsonl")]) == 0
    ours, theirs = (traces_without_seconds(tmp_path / name) for name in ("app", "run"))
    assert len(ours) == len(PROBLEMS)
    assert without_what_a_run_adds(ours) == without_what_a_run_adds(theirs)


def test_threads_that_are_not_finished_are_left_out(tmp_path: Path) -> None:
    app = application(tmp_path / "app.sqlite")
    ask(app, PROBLEMS[0])
    ask(app, PROBLEMS[1], interrupt_before=["critique"])
    app.update_state({"configurable": {"thread_id": "begun"}}, {"question": "What is 1 + 1?"})
    assert [trace.problem.id for trace in read_checkpoints(str(tmp_path / "app.sqlite"))] == [PROBLEMS[0].id]


def test_threads_asked_again_count_once_as_they_are_now(tmp_path: Path) -> None:
    app = application(tmp_path / "app.sqlite")
    for problem in PROBLEMS[:2]:
        ask(app, problem.model_copy(update={"id": "thread"}))
    (trace,) = read_checkpoints(str(tmp_path / "app.sqlite"))
    assert trace.problem.question == PROBLEMS[1].question


def test_thread_that_was_asked_again_and_has_not_voted_is_left_out(tmp_path: Path) -> None:
    app = application(tmp_path / "app.sqlite")
    first, second = (problem.model_copy(update={"id": "thread"}) for problem in PROBLEMS[:2])
    ask(app, first)
    ask(app, second, interrupt_before=["vote"])
    assert list(read_checkpoints(str(tmp_path / "app.sqlite"))) == []


def test_threads_stored_before_the_problem_was_kept_apart_are_read(tmp_path: Path) -> None:
    app = application(tmp_path / "app.sqlite")
    ask(app, PROBLEMS[0])
    thread = {"configurable": {"thread_id": PROBLEMS[0].id}}
    stored = app.checkpointer.get_tuple(thread)
    del stored.checkpoint["channel_values"]["problem"]
    stored.checkpoint["channel_values"] |= {"reference": PROBLEMS[0].answer, "id": PROBLEMS[0].id}
    app.checkpointer.put(stored.parent_config, stored.checkpoint, stored.metadata, {})
    (trace,) = read_checkpoints(str(tmp_path / "app.sqlite"))
    assert trace.problem == PROBLEMS[0].model_copy(update={"level": None})


@pytest.mark.parametrize("changed", [{"problem": "the parent's own"}, {"problem": {}}, {"question": 7}])
def test_threads_of_another_graph_are_refused_in_one_line(changed: dict[str, Any], tmp_path: Path) -> None:
    app = application(tmp_path / "app.sqlite")
    ask(app, PROBLEMS[0])
    thread = {"configurable": {"thread_id": PROBLEMS[0].id}}
    stored = app.checkpointer.get_tuple(thread)
    stored.checkpoint["channel_values"] |= changed
    app.checkpointer.put(stored.parent_config, stored.checkpoint, stored.metadata, {})
    with pytest.raises(InputError, match="is not the loop's: "):
        list(read_checkpoints(str(tmp_path / "app.sqlite")))


def test_critique_that_a_person_changed_is_read_anew_and_marked(tmp_path: Path) -> None:
    app = application(tmp_path / "app.sqlite")
    ask(app, PROBLEMS[0], interrupt_after=["critique"])
    thread = {"configurable": {"thread_id": PROBLEMS[0].id}}
    chains = app.get_state(thread).values["chains"]
    chains[0]["rounds"][0]["critique"]["text"] = "Correctness of the final answer: Wrong\nExplanation: Count again."
    app.update_state(thread, {"chains": chains}, as_node="critique")
    app.invoke(None, thread)
    ask(app, PROBLEMS[1])
    traces = {trace.problem.id: trace for trace in read_checkpoints(str(tmp_path / "app.sqlite"))}
    (edited, *others), (untouched, *_) = (traces[problem.id].chains for problem in PROBLEMS[:2])
    assert (edited.rounds[0].is_edited, edited.rounds[0].critique.final) == (True, "wrong")
    assert not any(step.is_edited for chain in others for step in chain.rounds)
    assert not any(step.is_edited for step in untouched.rounds)


def test_applications_file_is_only_read(tmp_path: Path) -> None:
    file = tmp_path / "other.sqlite"
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE notes (text)")
    connection.close()
    before = file.read_bytes()
    with pytest.raises(InputError, match="no checkpoints can be read here"):
        list(read_checkpoints(str(file)))
    assert (file.read_bytes(), [path.name for path in tmp_path.iterdir()]) == (before, ["other.sqlite"])


def test_rows_for_training_come_from_checkpoints_too(tmp_path: Path) -> None:
    app = application(tmp_path / "app.sqlite")
    for problem in PROBLEMS:
        ask(app, problem)
    out = tmp_path / "rows.jsonl"
    command = ["export", "--checkpoints", str(tmp_path / "app.sqlite"), "--to", "trl", "--task", "actor"]
    assert run_command([*command, "--out", str(out)]) == 0
    assert {"prompt", "completion"} == set(json.loads(out.read_text().splitlines()[0]))


def test_critic_of_an_application_is_learned_from_with_its_reasoning(tmp_path: Path) -> None:
    critic = ScriptedModel(replies=[f"<think>Seven it is.</think>{critique_text('Correct')}"])
    saver = SqliteSaver(sqlite3.connect(tmp_path / "app.sqlite", check_same_thread=False))
    loop = create_actor_critic(ScriptedModel(replies=[solution(7)]), critic, samples=1, rounds=1)
    ask(loop.compile(checkpointer=saver), Problem(id="p", question="What is 3 + 4?", answer="7"))
    command = ["export", "--checkpoints", str(tmp_path / "app.sqlite"), "--to", "trl", "--task", "critic"]
    assert run_command([*command, "--reasoning", "--out", str(tmp_path / "rows.jsonl")]) == 0
    (row,) = map(json.loads, (tmp_path / "rows.jsonl").read_text().splitlines())
    assert row["completion"][0]["content"] == f"<think>\nSeven it is.\n</think>\n\n{critique_text('Correct')}"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--to", "traces"), "needs a run or --checkpoints, one of the two"),
        (("--to", "parquet", "--out", "x.parquet", "--checkpoints", "{}"), "hold traces, and no data set"),
        (("--to", "traces", "--checkpoints", "{}/nothing"), "there is no SQLite file here"),
    ],
)
def test_what_cannot_be_read_is_one_line(
    arguments: tuple[str, ...], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["export", *(argument.format(tmp_path) for argument in arguments)]) == 2
    assert message in " ".join(capsys.readouterr().err.split())


def test_database_that_does_not_answer_is_one_line_without_its_password(capsys: pytest.CaptureFixture[str]) -> None:
    address = "postgresql://me:secret@127.0.0.1:1/app"
    assert run_command(["export", "--checkpoints", address, "--to", "traces"]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "postgresql://127.0.0.1:1/app: no checkpoints can be read here: " in said
    assert "secret" not in said


def test_checkpoints_of_another_graph_are_named(tmp_path: Path) -> None:
    app = application(tmp_path / "app.sqlite")
    state = {"question": "?", "chains": [{"index": "first"}], "ballot": {"rule": "majority"}}
    app.update_state({"configurable": {"thread_id": "odd"}}, state, as_node="vote")
    with pytest.raises(InputError, match="thread odd is not the loop's: "):
        list(read_checkpoints(str(tmp_path / "app.sqlite")))
