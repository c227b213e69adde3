import random
import re

import pytest

pytest.importorskip("trl")

from critique_graph.core.critique import parse_critique
from critique_graph.miniature.solutions import check_response, first_error, flawed_response, gold_response
from critique_graph.miniature.task import generate_exercises
from critique_graph.miniature_training.data import (
    copy_rows,
    correction_rows,
    corrupted,
    critique_row,
    drill_rows,
    is_correct,
    is_judgeable,
    note_row,
    refine_row,
    retry_row,
    solve_row,
)
from critique_graph.nodes.critique import critique_messages
from critique_graph.nodes.refine import refine_messages
from critique_graph.nodes.solve import solve_messages


@pytest.fixture
def exercise():
    (exercise,) = generate_exercises(1, seed=1, split="train")
    return exercise


def test_solve_row_asks_as_the_solve_node_does(exercise):
    row = solve_row(exercise)
    assert [message["content"] for message in row["prompt"]] == _texts(solve_messages(exercise.problem.question))
    assert row["completion"] == [{"role": "assistant", "content": gold_response(exercise)}]


def test_critique_row_asks_as_the_critique_node_does(exercise):
    response = gold_response(exercise)
    row = critique_row(exercise, response)
    expected = critique_messages(exercise.problem.question, response)
    assert [message["content"] for message in row["prompt"]] == _texts(expected)


def test_refine_row_shows_a_critique_without_reasoning_and_wants_the_right_solution(exercise):
    response = flawed_response(exercise, random.Random(0))
    row = refine_row(exercise, response)
    critique = critique_row(exercise, response)["completion"][0]["content"].partition("</think>\n\n")[2]
    expected = refine_messages(exercise.problem.question, response, critique)
    assert [message["content"] for message in row["prompt"]] == _texts(expected)
    assert parse_critique(critique, response).final == "wrong"
    assert row["completion"] == [{"role": "assistant", "content": gold_response(exercise)}]


def test_copy_rows_repeat_different_words():
    for row in copy_rows(50, random.Random(0)):
        text = row["prompt"][0]["content"]
        assert row["completion"] == [{"role": "assistant", "content": text}]
        words = re.findall(r" [A-Za-z]+", text)
        assert 4 <= len(words) == len(set(words)) <= 9


def test_correction_rows_want_the_response_with_the_critiques_lines():
    for row in correction_rows(50, random.Random(0)):
        _, written, asked = (message["content"] for message in row["prompt"])
        critique = parse_critique(asked.partition("<critique>\n")[2].partition("\n</critique>")[0], written)
        lines = written.splitlines()
        for step in critique.steps:
            if step.verdict == "wrong":
                lines[step.step_index] = step.explanation.rpartition(", not ")[0] + "."
        assert critique.steps[-1].verdict == "wrong"
        assert row["completion"] == [{"role": "assistant", "content": "\n".join(lines)}]


def test_note_row_asks_for_what_the_problem_gives(exercise):
    row = note_row(exercise)
    assert exercise.problem.question in row["prompt"][0]["content"]
    assert row["completion"][0]["content"].splitlines()[1] == f"(0) {exercise.operations[0].left}"


def test_drills_find_work_out_and_check_the_steps_of_exercises():
    exercises = list(generate_exercises(60, seed=2, split="train"))
    equations = {check.expected for e in exercises for check in check_response(e, gold_response(e))}
    found, worked, checks, *_ = (
        (row["prompt"][0]["content"].splitlines(), row["completion"][0]["content"].splitlines())
        for row in drill_rows(exercises, random.Random(0))
    )
    assert set(found[1]) <= equations
    assert [line.rpartition(" ")[0] for line in found[1]] == found[0]
    assert [line.rpartition(" = ")[2] for line in worked[1][1:]] == [
        equation.rpartition(" ")[2] for asked in worked[0] for equation in equations if equation.startswith(asked)
    ]
    is_correct = [claim in equations for claim in checks[0]]
    assert {True, False} == set(is_correct)
    assert [line.endswith(" = 0 Correct") for line in checks[1][1:]] == is_correct


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("boxed{", "boxed{1"),
        lambda text: text.replace(" = ", " is "),
        lambda text: "",
    ],
    ids=["box differs", "no equation", "empty"],
)
def test_response_the_critique_cannot_describe_is_not_judgeable(exercise, change):
    assert is_judgeable(exercise, gold_response(exercise))
    assert not is_judgeable(exercise, change(gold_response(exercise)))


def test_response_that_stops_after_a_wrong_step_is_judgeable(exercise):
    first, *_ = flawed_response(exercise, random.Random(3)).splitlines()
    wrong = first.replace(" = ", " = 9")
    assert is_judgeable(exercise, f"{wrong}\nThe answer is \\boxed{{9}}.")


def test_corrupted_solutions_are_judgeable_and_some_only_have_too_few_or_too_many_steps():
    rng = random.Random(0)
    exercises = list(generate_exercises(200, seed=3, split="train"))
    pairs = [(exercise, corrupted(exercise, rng)) for exercise in exercises]
    assert sum(is_judgeable(*pair) for pair in pairs) > 190
    assert not any(is_correct(*pair) for pair in pairs)
    of_wrong_length = sum(first_error(check_response(*pair)) is None for pair in pairs)
    assert 10 < of_wrong_length < 40


def test_slips_can_be_the_only_errors():
    rng = random.Random(0)
    for exercise in generate_exercises(50, seed=3, split="train"):
        for check in check_response(exercise, flawed_response(exercise, rng, others=0.6, kind="arithmetic")):
            assert check.written.rpartition(" ")[0] == check.expected.rpartition(" ")[0]


def test_retry_row_shows_no_critique(exercise):
    response = flawed_response(exercise, random.Random(0))
    row = retry_row(exercise, response)
    assert [message["content"] for message in row["prompt"]] == _texts(
        refine_messages(exercise.problem.question, response, "")
    )
    assert row["completion"] == [{"role": "assistant", "content": gold_response(exercise)}]


def _texts(messages):
    return [message.text for message in messages]
