"""The Python API of whole problem sets: problems and models as they are given, and what a run folder records about
them."""

import json
from pathlib import Path

import pytest
import yaml
from fakes import ScriptedModel, critique_text, solution
from hashed_model import HashedModel, addition_problems
from pydantic import ValidationError

import critique_graph
from critique_graph import Problem, Trace, read_traces, run_problems
from critique_graph.core.errors import InputError, RunError

PROBLEMS = addition_problems(4)
RIGHT = {"actor": ScriptedModel(model="always 7", answer=lambda messages: solution(7))}


def pair() -> dict[str, HashedModel]:
    return {"actor": HashedModel(), "critic": HashedModel()}


@pytest.mark.parametrize(
    "given", [PROBLEMS, iter(PROBLEMS), (problem for problem in PROBLEMS)], ids=["list", "iter", "generator"]
)
def test_problems_at_hand_are_run_in_order(given: object, tmp_path: Path):
    found = run_problems(given, **pair(), samples=2, out=tmp_path / "run")  # type: ignore[arg-type]

    assert (found.problems, found.done, found.state, found.exit_code()) == (4, 4, "complete", 0)
    traces: list[Trace] = list(read_traces(tmp_path / "run"))
    assert [trace.problem for trace in traces] == PROBLEMS
    assert all(len(trace.chains) == 2 for trace in traces)


def test_file_is_named_by_its_path(tmp_path: Path):
    file = tmp_path / "problems.jsonl"
    file.write_text("\n".join(problem.model_dump_json() for problem in PROBLEMS))

    assert run_problems(file, **pair(), limit=3, out=str(tmp_path / "run")).done == 3
    assert yaml.safe_load((tmp_path / "run" / "run.yaml").read_text())["problems"] == str(file)


def test_record_is_what_the_folder_and_the_command_line_say(tmp_path: Path):
    found = run_problems(PROBLEMS, **pair(), out=tmp_path / "run")

    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert manifest["outcomes"] == {"done": 4, "failed": 0, "quarantined": 0, "pending": 0}
    assert manifest["tokens"] == found.tokens.model_dump()
    assert found.run == str(tmp_path / "run")


def test_same_call_again_calls_no_model(tmp_path: Path):
    first = run_problems(PROBLEMS, **pair(), out=tmp_path / "run")
    again = pair()

    second = run_problems(PROBLEMS, **again, out=tmp_path / "run")
    assert [model.prompts for model in again.values()] == [[], []]
    assert second.model_copy(update={"seconds": 0}) == first.model_copy(update={"seconds": 0})


def test_other_problems_are_refused_in_the_same_folder(tmp_path: Path):
    run_problems(PROBLEMS[:2], **pair(), out=tmp_path / "run")
    with pytest.raises(RunError, match="problems was 'given:"):
        run_problems(PROBLEMS[2:], **pair(), out=tmp_path / "run")


def test_chat_models_are_recorded_by_what_they_call_their_model(tmp_path: Path):
    critic = ScriptedModel(model="judge-1", answer=lambda messages: critique_text("Correct"))
    run_problems(PROBLEMS[:1], **RIGHT, critic=critic, out=tmp_path / "run")

    recorded = yaml.safe_load((tmp_path / "run" / "run.yaml").read_text())
    assert (recorded["actor"], recorded["critic"]) == ("always 7", "judge-1")


async def test_call_works_where_an_event_loop_runs(tmp_path: Path):
    assert run_problems(PROBLEMS, **pair(), out=tmp_path / "run").done == 4


@pytest.mark.parametrize(
    ("problems", "message"),
    [
        ([], "the iterable is empty"),
        ([PROBLEMS[0], PROBLEMS[0]], "the id 'p0' is there twice"),
        ("nowhere.jsonl", "there is no such file"),
    ],
    ids=["empty", "twice", "no file"],
)
def test_problems_that_cannot_be_used_are_refused_before_any_call(problems: object, message: str, tmp_path: Path):
    models = pair()
    with pytest.raises(InputError, match=message):
        run_problems(problems, **models, out=tmp_path / "run")  # type: ignore[arg-type]
    assert models["actor"].prompts == []
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("role", ["actor", "critic"])
def test_role_that_code_cannot_play_needs_a_model(role: str, tmp_path: Path):
    with pytest.raises(InputError, match="Unknown model 'exact'"):
        run_problems(PROBLEMS, **{**pair(), role: "exact"}, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("setting", "value"), [("smaples", 3), ("samples", 0)], ids=["unknown", "out of range"])
def test_setting_that_is_none_is_refused(setting: str, value: int, tmp_path: Path):
    with pytest.raises(ValidationError, match=setting):
        run_problems(PROBLEMS, **pair(), out=tmp_path / "run", **{setting: value})


def test_problem_without_a_reference_is_run_and_not_graded(tmp_path: Path):
    problem = Problem(id="open", question=PROBLEMS[0].question)
    found = run_problems([problem], **pair(), out=tmp_path / "run")
    assert (found.done, found.ungraded, found.accuracy_final.n) == (1, 1, 0)


def test_every_verb_has_its_function():
    verbs = {"run_problems", "generate_data", "make_self_talk", "compare_strategies", "evaluate_critic"}
    verbs |= {"improve_actor", "train_task", "export_rows"}
    assert verbs <= set(critique_graph.__all__)
    assert all(callable(getattr(critique_graph, verb)) for verb in verbs)
