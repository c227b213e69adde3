import random
import re

import pytest

from critique_graph.core.schema import Problem
from critique_graph.miniature.solutions import (
    MAX_WRITTEN,
    StepCheck,
    boxed_answer,
    check_response,
    corrupt_response,
    first_error,
    flawed_response,
    gold_response,
    lengthened_response,
    misnamed_response,
    shortened_response,
    slip,
    written_steps,
)
from critique_graph.miniature.task import Exercise, Operation, Ref, generate_exercises


@pytest.fixture
def exercise():
    return Exercise(
        Problem(
            id="p",
            question="Tom has 12 apples. Tom buys 5 more. Ann has 3 times as many as Tom.",
            answer="51",
        ),
        (Operation(12, "+", 5, "Tom has"), Operation(Ref(0), "*", 3, "Ann has")),
        "apples",
    )


def test_gold_response_is_a_step_a_line_and_a_box(exercise):
    assert gold_response(exercise) == (
        "Step 1: Tom has 12 + 5 = 17 apples.\nStep 2: Ann has 17 * 3 = 51 apples.\nThe answer is \\boxed{51}."
    )


def test_every_gold_response_checks_and_boxes_the_answer():
    for exercise in generate_exercises(300, seed=1, split="test"):
        response = gold_response(exercise)
        assert first_error(check_response(exercise, response)) is None
        assert boxed_answer(response) == exercise.problem.answer


def test_later_steps_go_on_from_a_replaced_equation(exercise):
    assert corrupt_response(exercise, {0: "12 + 5 = 18"}) == (
        "Step 1: Tom has 12 + 5 = 18 apples.\nStep 2: Ann has 18 * 3 = 54 apples.\nThe answer is \\boxed{54}."
    )


def test_inherited_value_is_not_an_error(exercise):
    checks = check_response(exercise, corrupt_response(exercise, {0: "12 + 5 = 18"}))
    assert checks == [
        StepCheck("Step 1: Tom has 12 + 5 = 18 apples.", "12 + 5 = 17", 17, "12 + 5 = 18", 18, is_correct=False),
        StepCheck("Step 2: Ann has 18 * 3 = 54 apples.", "18 * 3 = 54", 54, "18 * 3 = 54", 54, is_correct=True),
    ]


@pytest.mark.parametrize(
    ("written", "is_correct"),
    [
        ("12 + 5 = 17", True),
        ("5 + 12 = 17", True),
        ("12 + 5 = 16", False),
        ("12 - 5 = 7", False),
        ("14 + 3 = 17", False),
        ("seventeen", False),
    ],
    ids=["right", "swapped", "arithmetic", "operator", "operands", "no equation"],
)
def test_step_is_correct_only_with_the_right_equation(exercise, written, is_correct):
    (check, *_) = check_response(exercise, f"Tom has {written} apples.\nThe answer is \\boxed{{17}}.")
    assert check.is_correct is is_correct


def test_step_without_an_equation_ends_the_check(exercise):
    checks = check_response(exercise, "Tom has many apples.\nAnn has 17 * 3 = 51 apples.")
    assert [check.written_value for check in checks] == [None]


def test_flawed_response_has_exactly_one_wrong_step_and_a_wrong_answer_mostly():
    rng = random.Random(0)
    answers_wrong = 0
    for exercise in generate_exercises(300, seed=2, split="test"):
        response = flawed_response(exercise, rng)
        checks = check_response(exercise, response)
        assert [check.is_correct for check in checks].count(False) == 1
        answers_wrong += boxed_answer(response) != exercise.problem.answer
    assert answers_wrong > 290


def test_flawed_response_holds_no_negative_or_huge_number():
    rng = random.Random(0)
    for exercise in generate_exercises(500, seed=3, split="test"):
        values = [c.written_value for c in check_response(exercise, flawed_response(exercise, rng, others=0.5))]
        assert 0 <= min(values) <= max(values) <= MAX_WRITTEN


def test_other_steps_are_wrong_too_when_asked_for():
    rng = random.Random(0)
    wrong = total = 0
    for exercise in generate_exercises(300, seed=3, split="test"):
        checks = check_response(exercise, flawed_response(exercise, rng, others=0.5))
        wrong += sum(not check.is_correct for check in checks)
        total += len(checks)
    assert 0.5 < wrong / total < 0.7


def test_shortened_response_is_right_as_far_as_it_goes():
    rng = random.Random(0)
    for exercise in generate_exercises(300, seed=4, split="test"):
        response = shortened_response(exercise, rng)
        checks = check_response(exercise, response)
        assert first_error(checks) is None
        assert 0 < len(checks) < len(exercise.operations)
        assert boxed_answer(response) == str(checks[-1].written_value)


def test_lengthened_response_is_right_but_for_a_step_more():
    rng = random.Random(0)
    for exercise in generate_exercises(300, seed=4, split="test"):
        response = lengthened_response(exercise, rng)
        assert first_error(check_response(exercise, response)) is None
        assert len(written_steps(response)) == len(exercise.operations) + 1
        assert boxed_answer(response) == re.findall(r" = (\d+)", response)[-1]


def test_slip_is_another_value_of_the_same_size():
    rng = random.Random(0)
    slips = {slip(17, rng) for _ in range(300)}
    assert {16, 18, 7, 27, 14, 97} <= slips
    assert 17 not in slips
    assert max(slips) < 100


def test_errors_are_of_every_type(exercise):
    rng = random.Random(0)
    texts = {check_response(exercise, flawed_response(exercise, rng))[0].line for _ in range(200)}
    assert any("12 - 5" in text for text in texts)
    assert any("12 + 3" in text for text in texts)
    assert "Step 1: Tom has 12 + 5 = 18 apples." in texts
    assert any("12 * 3" in text for text in texts)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("The answer is \\boxed{17}.", "17"),
        ("\\boxed{1} \\boxed{-2}", "-2"),
        ("17", None),
        ("\\boxed{x}", None),
    ],
)
def test_boxed_answer_is_the_last_number_in_a_box(text, answer):
    assert boxed_answer(text) == answer


def test_misnamed_solution_has_other_names_and_the_same_steps():
    rng = random.Random(1)
    for exercise in generate_exercises(100, seed=3, split="train"):
        right = gold_response(exercise)
        misnamed = misnamed_response(right, rng)
        assert re.sub(r"[A-Z][a-z]+ has", "", misnamed) == re.sub(r"[A-Z][a-z]+ has", "", right)
    assert misnamed_response(right, random.Random(1)) != right
