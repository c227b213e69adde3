"""Runs over problems with unit tests, from the published row to the summary, the trace and the training row."""

import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
from fakes import ScriptedModel, critique_text
from langchain_core.messages import BaseMessage

from critique_graph import (
    LabelledProblem,
    check_pair,
    compare_strategies,
    create_chat,
    evaluate_critic,
    load_problems,
    make_self_talk,
    read_traces,
    run_problems,
)
from critique_graph.cli import run_command
from critique_graph.core.errors import InputError
from critique_graph.core.prompts import DEFAULT_PROMPTS
from critique_graph.generate.make import generate_data
from critique_graph.graphs.actor_critic import create_actor_critic
from critique_graph.nodes.critique import critique_messages
from critique_graph.nodes.solve import solve_messages
from critique_graph.tasks.code import CODE
from critique_graph.trainers.candidates import read_candidates
from critique_graph.trainers.rows import row

SHOWN = 'def add(a: int, b: int) -> int:\n    """Give the sum."""\n'
ROWS = [
    {
        "task_id": f"own/{number}",
        "prompt": SHOWN,
        "entry_point": "add",
        "canonical_solution": "    return a + b\n",
        "test": f"def check(candidate):\n    assert candidate({number}, 2) == {number + 2}\n",
    }
    for number in range(3)
]


def with_program(line: str, body: str) -> str:
    return f"{line}\nThe program is:\n```python\ndef add(a, b):\n    return {body}\n```"


WRONG, RIGHT = with_program("Subtract them, as 5 - 3, 4 - 1 and 9 - 9.", "a - b"), with_program("Add them.", "a + b")
SAYS_WRONG, SAYS_CORRECT = (
    critique_text(verdict, (text.splitlines()[0], verdict)) for text, verdict in ((WRONG, "Wrong"), (RIGHT, "Correct"))
)


def answered(messages: Sequence[BaseMessage]) -> str:
    """Subtract at first and add in a refinement; a critic and an annotator call the first wrong."""
    asked = messages[-1].text
    if "Check the response" in asked:
        return SAYS_CORRECT if "a + b" in asked else SAYS_WRONG
    return RIGHT if "is wrong" in asked or SAYS_WRONG in asked else WRONG


class Continuing(ScriptedModel):
    """A scripted model that can continue a message of its own."""

    continues_final_message: ClassVar[bool] = True
    is_trained_here: ClassVar[bool] = True


@pytest.fixture
def problems(tmp_path: Path) -> Path:
    file = tmp_path / "humaneval.jsonl"
    file.write_text("\n".join(map(json.dumps, ROWS)))
    return file


@pytest.fixture
def model() -> ScriptedModel:
    return ScriptedModel(answer=answered)


pytestmark = pytest.mark.usefixtures("sandbox")


def test_run_grades_programs_by_their_tests(problems: Path, model: ScriptedModel):
    out = problems.parent / "run"

    summary = run_problems(problems, task="code", actor=model, critic=model, out=out)

    assert (summary.accuracy_first.value, summary.accuracy_final.value, summary.flips.wrong_to_right) == (0, 1, 3)
    assert summary.answer_changed.value == 1
    trace = next(read_traces(out))
    first, refined = trace.chains[0].responses
    assert (trace.task, trace.answer) == ("code", "def add(a, b):\n    return a + b")
    assert first.grade is not None
    assert first.grade.reason == "failed: assert candidate(0, 2) == 2; add(0, 2) gave -2"
    assert (refined.is_correct, trace.chains[0].rounds[0].evidence) == (True, "")
    assert not any("assert" in text or "gave" in text for text in model.texts)


def test_critic_sees_tests_only_where_the_task_says_so_and_records_say_so(problems: Path, model: ScriptedModel):
    out = problems.parent / "run"

    run_problems(problems, task="code-seen-tests", actor=model, critic=model, out=out, limit=1)

    evidence = (
        "The program of the response does not pass the tests. failed: assert candidate(0, 2) == 2; add(0, 2) gave -2"
    )
    (trace,) = read_traces(out)
    manifest = json.loads((out / "manifest.json").read_text())
    assert trace.chains[0].rounds[0].evidence == evidence
    assert trace.task == manifest["configuration"]["task"] == "code-seen-tests"
    asked = [text for text in model.texts if evidence in text]
    assert [("Check the response" in text, f"{evidence}\n</problem>" in text) for text in asked] == [(True, True)]
    (judged, *_) = read_candidates(out, "critic")
    wording = CODE.worded(DEFAULT_PROMPTS)
    assert judged.row == row(critique_messages(SHOWN.strip(), WRONG, wording, evidence=evidence), SAYS_WRONG)


def test_several_programs_vote_by_their_tokens(problems: Path):
    programs = iter(("a + b", "a - b", "a+b  # the sum"))
    model = ScriptedModel(answer=lambda messages: with_program("So.", next(programs)))

    summary = run_problems(
        problems, task="code", actor=model, critic=model, samples=3, rounds=0, limit=1, out=problems.parent / "run"
    )

    (trace,) = read_traces(problems.parent / "run")
    assert sorted(entry.weight for entry in trace.ballot.entries) == [1, 2]
    assert summary.accuracy_final.value == 1


def test_compare_groups_programs(problems: Path, model: ScriptedModel):
    compared = compare_strategies(
        problems, task="code", actor=model, critic=model, samples=2, votes=2, out=problems.parent / "pool"
    )

    assert compared.strategies["majority"].accuracy.value == 0
    assert compared.strategies["critic_loop"].accuracy.value == 1


def test_rows_of_a_run_ask_for_programs(problems: Path, model: ScriptedModel):
    out = problems.parent / "run"
    run_problems(problems, task="code", actor=model, critic=model, out=out)
    wording = CODE.worded(DEFAULT_PROMPTS)

    learned, *_ = read_candidates(out, "actor")
    refined, *_ = read_candidates(out, "refiner")

    assert learned.row == row(solve_messages(SHOWN, wording), RIGHT)
    assert "the whole program" in str(refined.row)


def test_export_writes_rows_of_a_run(problems: Path, model: ScriptedModel):
    run, rows = problems.parent / "run", problems.parent / "rows.jsonl"
    run_problems(problems, task="code", actor=model, critic=model, out=run)

    assert run_command(["export", str(run), "--to", "trl", "--task", "critic", "--out", str(rows)]) == 0

    assert len(rows.read_text().splitlines()) == 3


def test_data_are_made_of_programs_and_equations_are_left_out(problems: Path, caplog: pytest.LogCaptureFixture):
    model, out = Continuing(answer=answered), problems.parent / "data"
    settings: dict[str, Any] = {"samples": 2, "paths": 1, "refinements": 2}

    with caplog.at_level(logging.WARNING):
        summary = generate_data(problems, task="code", actor=model, annotator=model, out=out, **settings)

    assert summary.kept_by_strategy["rg1"] == summary.rows == 3
    assert "task code: exact inserts errors into equations alone: no rg3 without --corruptor MODEL" in caplog.text
    hinted = next(text for text in model.texts if "<hints>" in text)
    assert "The program has to pass these tests: {" in hinted
    assert "The program of the response does not pass them." in hinted


def test_data_for_critics_that_see_no_tests_are_not_made_by_ones_that_do(problems: Path, model: ScriptedModel):
    with pytest.raises(InputError, match="task code-seen-tests tells the critic how a response was graded"):
        generate_data(problems, task="code-seen-tests", actor=model, annotator=model, out=problems.parent / "data")


def test_machine_without_a_sandbox_is_said_before_any_call_or_folder(problems: Path, model: ScriptedModel):
    def refuse() -> None:
        raise InputError("programs of models cannot be run here; a protection is missing: Landlock.")

    task, out = replace(CODE, require=refuse), problems.parent / "run"

    with pytest.raises(InputError, match="a protection is missing: Landlock"):
        run_problems(problems, task=task, actor=model, critic=model, out=out)
    with pytest.raises(InputError, match="a protection is missing: Landlock"):
        create_actor_critic(model, model, task=task)
    assert (model.prompts, out.exists()) == ([], False)


def test_problems_of_mathematics_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert run_command(["run", "--task", "code", "--out", str(tmp_path / "run")]) == 2

    assert "is not of the task code: the reference" in " ".join(capsys.readouterr().err.split())


def test_other_verbs_work_on_programs(problems: Path, model: ScriptedModel):
    flawed = [
        LabelledProblem(id=found.id, question=found.question, steps=tuple(WRONG.split("\n", 1)), label=0)
        for found in load_problems(problems, task="code")
    ]
    roles: dict[str, Any] = {"task": "code", "actor": Continuing(answer=answered), "critic": model}

    checked = check_pair(problems, out=problems.parent / "check", **roles)
    talked = make_self_talk(problems, samples=2, out=problems.parent / "talk", **roles)
    judged = evaluate_critic(flawed, task="code", critic=model, out=problems.parent / "judged")

    assert (checked.readable.value, checked.says_wrong_on_wrong.value, checked.bare_refinements.value) == (1, 1, 0)
    assert (talked.kept, talked.kept_by_repairs) == (3, {1: 3})
    assert (judged.responses, judged.on_erroneous.value) == (3, 1)


async def test_chat_answers_with_a_program(model: ScriptedModel):
    chat = create_chat(model, model, task="code").compile()

    result = await chat.ainvoke({"messages": [{"role": "user", "content": f"Complete this:\n{SHOWN}"}]})

    assert result["messages"][-1].text == RIGHT
