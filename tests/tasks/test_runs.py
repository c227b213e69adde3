"""Runs over problems of a task, from the file to the summary, the trace and the training row."""

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fakes import ScriptedModel, critique_text
from langchain_core.messages import BaseMessage

from critique_graph import (
    FunctionGrader,
    Problem,
    Task,
    compare_strategies,
    create_self_talk,
    read_traces,
    run_problems,
)
from critique_graph.cli import run_command
from critique_graph.compare.pool import compare_run
from critique_graph.core.errors import InputError, RunError
from critique_graph.core.prompts import DEFAULT_PROMPTS
from critique_graph.generate.make import generate_data
from critique_graph.graphs.actor_critic import create_actor_critic
from critique_graph.graphs.flawed_paths import create_flawed_paths
from critique_graph.nodes.critique import critique_messages
from critique_graph.nodes.solve import solve_messages
from critique_graph.tasks.choice import CHOICE
from critique_graph.tasks.shipped import SHIPPED
from critique_graph.tasks.task import MATH
from critique_graph.trainers.candidates import read_candidates
from critique_graph.trainers.rows import row

CITIES = ["Sydney", "Melbourne", "Canberra", "Perth"]
WRONG, RIGHT = "Sydney is large.\nThe answer is (A).", "Canberra was built for it.\nThe answer is (C)."
SAYS_WRONG, SAYS_CORRECT = (
    critique_text(verdict, (text.splitlines()[0], verdict)) for text, verdict in ((WRONG, "Wrong"), (RIGHT, "Correct"))
)


def answered(messages: Sequence[BaseMessage]) -> str:
    """Answer A at first and C in a refinement; a critic calls A wrong."""
    if "Check the response" in messages[-1].text:
        return SAYS_CORRECT if "(C)" in messages[-1].text else SAYS_WRONG
    return RIGHT if len(messages) > 1 else WRONG


@pytest.fixture
def problems(tmp_path: Path) -> Path:
    file = tmp_path / "set.jsonl"
    rows = [{"id": f"q{i}", "question": f"Capital {i}?", "options": CITIES, "answer": "Canberra"} for i in range(3)]
    file.write_text("\n".join(map(json.dumps, rows)))
    return file


@pytest.fixture
def model() -> ScriptedModel:
    return ScriptedModel(answer=answered)


def command(*arguments: str | Path) -> int:
    return run_command(list(map(str, arguments)))


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().err.split())


def test_run_of_choices_grades_letters_and_asks_for_them(problems: Path, model: ScriptedModel):
    out = problems.parent / "run"

    summary = run_problems(problems, task="choice", actor=model, critic=model, out=out)

    assert (summary.accuracy_first.value, summary.accuracy_final.value, summary.flips.wrong_to_right) == (0, 1, 3)
    assert summary.answer_changed.value == 1
    assert model.texts[0].startswith("<problem>\nCapital 0?\n\nA. Sydney\n")
    assert model.texts[0].endswith("End with a line of the form: The answer is (LETTER).")
    trace = next(read_traces(out))
    manifest = json.loads((out / "manifest.json").read_text())
    assert (trace.task, trace.answer, trace.problem.answer) == ("choice", "C", "C")
    assert manifest["configuration"]["task"] == "choice"
    assert manifest["configuration"]["prompts"].keys() == {"solve", "refine", "smooth"}


def test_run_resumes_with_its_task_alone(problems: Path, model: ScriptedModel):
    out = problems.parent / "run"
    run_problems(problems, task="choice", actor=model, critic=model, out=out)
    asked = len(model.prompts)

    assert run_problems(problems, task=CHOICE, actor=model, critic=model, out=out).done == 3
    assert len(model.prompts) == asked

    with pytest.raises(RunError, match="another configuration: task was 'choice', is now 'exact'"):
        run_problems(problems, task="exact", actor=model, critic=model, out=out)


def test_folder_of_a_version_without_tasks_resumes_as_mathematics(tmp_path: Path):
    out = tmp_path / "run"
    small = ("run", "--limit", "2", "--rounds", "0", "--quiet", "--out", out)
    assert command(*small) == 0
    manifest = json.loads((out / "manifest.json").read_text())
    del manifest["configuration"]["task"], manifest["checksum"]
    (out / "manifest.json").write_text(json.dumps(manifest))

    assert command(*small) == 0
    assert command(*small, "--task", "exact") == 2


def test_unknown_task_is_one_line_for_every_verb(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    for verb in ("run", "check", "compare", "generate", "self-talk", "improve", "study"):
        assert command(verb, "--task", "chess", "--out", tmp_path / "run") == 2
        assert f"there is no task 'chess'; those that ship are {', '.join(SHIPPED)}, rubric:MODEL." in said(capsys)
    assert command("solve", "1 + 1?", "--task", "chess") == 2
    assert not (tmp_path / "run").exists()


def test_study_refuses_another_task(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert command("study", "--task", "exact", "--out", tmp_path / "run") == 2
    assert "the parts of a study are of mathematics alone, got 'exact'" in said(capsys)


def test_problems_of_another_task_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], model: ScriptedModel):
    assert command("run", "--task", "choice", "--out", tmp_path / "run") == 2
    assert "is not of the task choice: the reference" in said(capsys)
    with pytest.raises(InputError, match="problem 'p' is not of the task choice: the reference '9' is no letter"):
        run_problems([Problem(id="p", question="?", answer="9")], task="choice", actor=model, out=tmp_path / "run")


def test_miniature_can_be_asked_for_free_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "run"
    assert command("run", "--task", "exact", "--limit", "2", "--rounds", "0", "--json", "--out", out) == 0

    assert json.loads(capsys.readouterr().out)["accuracy_final"]["n"] == 2


def test_own_task_runs_by_module_and_object(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "mine.py").write_text(
        "from critique_graph import FunctionGrader, Task\n"
        "def is_near(answer, gold): return abs(float(answer) - float(gold)) <= 100\n"
        "def read(text): return text.partition('boxed{')[2].partition('}')[0]\n"
        "near = Task(name='near', grader=FunctionGrader(read=read, is_correct=is_near))\n"
    )
    out = tmp_path / "run"

    assert command("run", "--task", "mine:near", "--limit", "3", "--rounds", "0", "--quiet", "--out", out) == 0

    assert [(trace.task, trace.correct) for trace in read_traces(out)] == [("mine:near", True)] * 3
    sys.modules.pop("mine")


def test_grader_that_raises_leaves_problems_ungraded_and_the_run_goes_on(problems: Path, model: ScriptedModel):
    def is_correct(answer: str, reference: str) -> bool:
        raise ZeroDivisionError("division by zero")

    task = replace(CHOICE, name="broken", grader=FunctionGrader(read=lambda text: text, is_correct=is_correct))

    summary = run_problems(problems, task=task, actor=model, critic=model, out=problems.parent / "run")

    assert (summary.done, summary.ungraded, summary.accuracy_final.n) == (3, 3, 0)
    grades = {trace.grade for trace in read_traces(problems.parent / "run")}
    assert {(grade.outcome, grade.reason) for grade in grades if grade is not None} == {
        ("ungraded", "grader_failed: ZeroDivisionError: division by zero")
    }


def test_reader_that_raises_fails_its_problem_alone(problems: Path, model: ScriptedModel):
    def read(text: str) -> str:
        raise KeyError("unit")

    task = replace(CHOICE, name="broken", grader=FunctionGrader(read=read, is_correct=lambda a, b: True))

    summary = run_problems(problems, task=task, actor=model, critic=model, out=problems.parent / "run")

    assert (summary.done, summary.failed) == (0, 3)
    assert [reason.reason for reason in summary.reasons] == ["KeyError: 'unit'"]


def test_compare_groups_answers_as_the_task_does(problems: Path, model: ScriptedModel):
    out = problems.parent / "pool"

    compared = compare_strategies(problems, task="choice", actor=model, critic=model, samples=2, votes=2, out=out)

    assert compared.strategies["majority"].accuracy.value == 0
    assert compared.strategies["critic_loop"].accuracy.value == 1
    assert compare_run(out) == compared


def test_rows_of_a_run_have_its_wording(problems: Path, model: ScriptedModel):
    out = problems.parent / "run"
    run_problems(problems, task="choice", actor=model, critic=model, out=out)
    question = "\n".join(["Capital 0?", "", *(f"{a}. {b}" for a, b in zip("ABCD", CITIES, strict=True))])
    wording = CHOICE.worded(DEFAULT_PROMPTS)

    learned, *_ = read_candidates(out, "actor")
    judged, *_ = read_candidates(out, "critic")

    assert learned.row == row(solve_messages(question, wording), RIGHT)
    assert judged.row == row(critique_messages(question, WRONG, wording), SAYS_WRONG)


def test_data_set_of_another_task_has_its_wording(problems: Path):
    def answer(messages: Sequence[BaseMessage]) -> str:
        if "hints" in messages[-1].text:
            return SAYS_WRONG
        return RIGHT if len(messages) > 1 and "is wrong" in messages[-1].text else WRONG

    out, model = problems.parent / "data", ScriptedModel(answer=answer)
    settings: dict[str, Any] = {"strategies": ("rg1",), "samples": 2, "paths": 1, "refinements": 2}

    summary = generate_data(problems, task="choice", actor=model, annotator=model, out=out, **settings)

    assert summary.rows == 3
    (candidate, *_) = read_candidates(out, "refiner")
    asked = [turn["content"] for turn in candidate.row["prompt"]]  # type: ignore[typeddict-item]
    assert asked[0].endswith("The answer is (LETTER).")
    assert asked[-1].endswith("The answer is (LETTER).")


def clauses(text: str) -> list[str]:
    return text.split("; ")


async def test_own_steps_are_judged_and_recorded():
    response = "3 + 4 = 7; The answer is \\boxed{7}."
    critic = ScriptedModel(
        replies=[critique_text("Wrong", ("3 + 4 = 7", "Correct"), ("The answer is \\boxed{7}.", "Wrong"))]
    )
    task = replace(MATH, name="clauses", split=clauses)
    graph = create_actor_critic(ScriptedModel(replies=[response] * 2), critic, task=task).compile()

    result = await graph.ainvoke({"question": "3 + 4?", "reference": "7"})

    chain = result["chains"][0]
    assert chain["response"]["own_steps"] == ["3 + 4 = 7", "The answer is \\boxed{7}."]
    assert [step["step_index"] for step in chain["rounds"][0]["critique"]["steps"]] == [0, 1]


def test_steps_of_a_wording_are_those_of_the_task():
    prompts = {"critique": {"ask": "{{problem}} {{steps}}"}}
    critic = ScriptedModel(replies=["?"])
    graph = create_actor_critic(
        ScriptedModel(replies=["a; b \\boxed{7}"]), critic, task=replace(MATH, name="c", split=clauses), prompts=prompts
    ).compile()

    graph.invoke({"question": "?"})

    assert "1. a\n2. b \\boxed{7}" in critic.texts[0]


@pytest.mark.parametrize("create", [create_flawed_paths, create_self_talk])
def test_graphs_that_cut_responses_refuse_own_steps(create: Any):
    with pytest.raises(InputError, match="task clauses splits responses into steps of its own"):
        create(task=replace(MATH, name="clauses", split=clauses))


def test_task_leaks_by_its_own_rule(problems: Path):
    model = ScriptedModel(answer=lambda messages: SAYS_WRONG if "hints" in messages[-1].text else WRONG)
    task = replace(CHOICE, name="silent", leaks=lambda critique: "because" in critique)
    settings: dict[str, Any] = {"strategies": ("rg1",), "samples": 2, "paths": 1, "refinements": 0}

    summary = generate_data(problems, task=task, actor=model, annotator=model, out=problems.parent / "data", **settings)

    assert summary.rows == 0


def test_task_is_public():
    assert Task(name="t", grader=MATH.grader).prompts == DEFAULT_PROMPTS
