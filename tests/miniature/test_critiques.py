import random
from dataclasses import replace

import pytest

from critique_graph.core.critique import parse_critique, render_critique
from critique_graph.miniature.critiques import (
    LEFT_OVER,
    MISSING,
    THINK_CLOSE,
    THINK_OPEN,
    approving_critique,
    comparison,
    critique_completion,
    notes,
    worked_out,
)
from critique_graph.miniature.solutions import (
    check_response,
    first_error,
    flawed_response,
    gold_response,
    lengthened_response,
    shortened_response,
)
from critique_graph.miniature.task import TOGETHER, Operation, Ref, generate_exercises


@pytest.fixture
def exercise():
    (exercise,) = generate_exercises(1, seed=3, split="test")
    return exercise


@pytest.mark.parametrize(
    ("written", "line"),
    [
        (17, "12 + 5 = 7 + 10 = 17; 17 - 17 = 0 Correct"),
        (19, "12 + 5 = 7 + 10 = 17; 19 - 17 = 2 Wrong"),
        (7, "12 + 5 = 7 + 10 = 17; 7 - 17 = -10 Wrong"),
        (None, "12 + 5 = 7 + 10 = 17; no value Wrong"),
    ],
)
def test_comparison_takes_the_right_value_from_the_written_one(written, line):
    assert comparison("12 + 5 = 17", written) == line


@pytest.mark.parametrize(
    ("equation", "line"),
    [
        ("18 + 15 = 33", "18 + 15 = 13 + 20 = 33"),
        ("52 - 17 = 35", "52 - 17 = 5 + 30 = 35"),
        ("52 - 50 = 2", "52 - 50 = 2 + 0 = 2"),
        ("16 * 4 = 64", "16 * 4 = 24 + 40 = 64"),
        ("5 - 12 = -7", "5 - 12 = -7"),
    ],
)
def test_equation_is_worked_out_by_ones_and_tens(equation, line):
    assert worked_out(equation) == line


def test_critique_of_a_right_response_judges_every_step():
    for exercise in generate_exercises(100, seed=1, split="test"):
        critique = _critique(exercise, gold_response(exercise))
        assert [step.step_index for step in critique.steps] == list(range(len(exercise.operations)))
        assert (critique.final, critique.first_error, critique.quality) == ("correct", None, "nominal")


def test_critique_of_a_flawed_response_stops_at_the_first_wrong_step():
    rng = random.Random(0)
    for exercise in generate_exercises(100, seed=2, split="test"):
        response = flawed_response(exercise, rng)
        critique = _critique(exercise, response)
        assert critique.final == "wrong"
        assert critique.first_error == first_error(check_response(exercise, response)) == len(critique.steps) - 1


def test_critique_of_a_response_that_stops_early_calls_its_answer_wrong():
    rng = random.Random(0)
    for exercise in generate_exercises(100, seed=2, split="test"):
        critique = _critique(exercise, shortened_response(exercise, rng))
        assert (critique.final, critique.first_error, critique.final_explanation) == ("wrong", None, MISSING)
        assert 0 < len(critique.steps) < len(exercise.operations)


def test_critique_of_a_response_that_goes_on_too_long_calls_its_answer_wrong():
    rng = random.Random(0)
    for exercise in generate_exercises(100, seed=2, split="test"):
        critique = _critique(exercise, lengthened_response(exercise, rng))
        assert (critique.final, critique.first_error, critique.final_explanation) == ("wrong", None, LEFT_OVER)
        assert len(critique.steps) == len(exercise.operations)


def test_reasoning_first_notes_what_the_problem_gives_for_each_step(exercise):
    thoughts = _thoughts(exercise, gold_response(exercise))[: len(exercise.operations) + 1]
    assert thoughts == [f"({index}) {note}" for index, note in enumerate(notes(exercise))]


def test_notes_name_the_number_and_what_is_done_with_it(exercise):
    steps = (Operation(12, "+", 5, ""), Operation(Ref(0), "*", 3, ""))
    with_step = (*steps, Operation(Ref(1), "+", Ref(0), TOGETHER))
    with_first = (*steps, Operation(Ref(1), "+", 12, TOGETHER))
    assert notes(replace(exercise, operations=with_step)) == ["12", "5 more", "3 times", "Step 1: together"]
    assert notes(replace(exercise, operations=with_first)) == ["12", "5 more", "3 times", "(0) together"]


def test_reasoning_then_compares_every_step_also_after_the_first_wrong_one(exercise):
    response = flawed_response(exercise, random.Random(1))
    error = first_error(check_response(exercise, response))
    compared = _thoughts(exercise, response)[len(exercise.operations) + 1 :]
    assert [line.partition(": ")[0] for line in compared] == [
        f"Step {number}" for number in range(1, len(exercise.operations) + 1)
    ]
    assert [index for index, line in enumerate(compared) if line.endswith(" Wrong")] == [error]


def test_approving_critique_calls_even_a_flawed_response_correct(exercise):
    response = flawed_response(exercise, random.Random(1))
    critique = parse_critique(approving_critique(response), response)
    assert (critique.final, critique.first_error, critique.quality) == ("correct", None, "nominal")
    assert [step.step_index for step in critique.steps] == list(range(len(exercise.operations)))


def test_explanation_of_a_wrong_step_gives_the_right_line_and_the_written_value(exercise):
    response = gold_response(exercise).replace("13 - 10 = 3 apples", "13 - 10 = 5 apples")
    assert _critique(exercise, response).steps[-1].explanation == "Step 1: Sam has 13 - 10 = 3 apples, not 5."


def test_answer_that_is_not_the_last_value_is_wrong(exercise):
    response = gold_response(exercise).replace("boxed{", "boxed{9")
    assert _critique(exercise, response).final == "wrong"


def test_critique_is_in_the_projects_format(exercise):
    text = critique_completion(exercise, gold_response(exercise)).partition(THINK_CLOSE)[2]
    assert render_critique(parse_critique(text)) == text


def _thoughts(exercise, response):
    return critique_completion(exercise, response).partition(THINK_CLOSE)[0].removeprefix(THINK_OPEN).splitlines()


def _critique(exercise, response):
    completion = critique_completion(exercise, response)
    assert completion.startswith(THINK_OPEN)
    return parse_critique(completion.partition(THINK_CLOSE)[2], response)
