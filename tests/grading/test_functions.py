"""A grader made of functions: what counts as a grade, and what a function that raises does."""

import logging
from typing import Any

import pytest

from critique_graph.core.schema import Grade
from critique_graph.grading.functions import FunctionGrader, plain_text


def last_word(text: str) -> str | None:
    return text.split()[-1] if text.split() else None


def grader_giving(given: Any) -> FunctionGrader:
    return FunctionGrader(read=last_word, is_correct=lambda answer, reference: given)


@pytest.mark.parametrize(
    ("given", "grade"),
    [
        (True, Grade(outcome="correct")),
        (False, Grade(outcome="incorrect")),
        (None, Grade(outcome="ungraded", reason="undecided")),
        (Grade(outcome="incorrect", reason="spelling"), Grade(outcome="incorrect", reason="spelling")),
    ],
)
async def test_what_a_function_says_is_the_grade(given: Any, grade: Grade):
    assert await grader_giving(given).grade("seven", "7") == grade


async def test_coroutine_function_is_awaited():
    async def is_correct(answer: str, reference: str) -> bool:
        return answer == reference

    grader = FunctionGrader(read=last_word, is_correct=is_correct)

    assert (await grader.grade("seven", "seven")).is_correct


async def test_function_is_not_asked_without_answer_or_reference():
    def is_correct(answer: str, reference: str) -> bool:
        raise AssertionError

    grader = FunctionGrader(read=last_word, is_correct=is_correct)

    assert await grader.grade(None, "7") == Grade(outcome="incorrect", reason="no_answer")
    assert await grader.grade("7", " ") == Grade(outcome="ungraded", reason="no_reference")


async def test_function_that_raises_leaves_the_answer_ungraded(caplog: pytest.LogCaptureFixture):
    def is_correct(answer: str, reference: str) -> bool:
        raise KeyError("no such\nunit")

    grader = FunctionGrader(read=last_word, is_correct=is_correct)

    with caplog.at_level(logging.WARNING):
        grades = [await grader.grade("7", "7") for _ in range(2)]

    assert grades == [Grade(outcome="ungraded", reason="grader_failed: KeyError: 'no such\\nunit'")] * 2
    assert [record.message for record in caplog.records] == [f"answers stay ungraded: {grades[0].reason}"]


async def test_number_is_no_grade():
    grade = await grader_giving(0.7).grade("7", "7")

    assert grade.outcome == "ungraded"
    assert grade.reason == ("grader_failed: TypeError: is_correct must give True, False, None or a Grade, and gave 0.7")


async def test_answers_are_equal_by_their_text_or_by_a_function():
    by_text = FunctionGrader(read=last_word, is_correct=lambda a, b: a == b)
    by_length = FunctionGrader(read=last_word, is_correct=lambda a, b: a == b, is_same=lambda a, b: len(a) == len(b))

    assert await by_text.equivalent("Seven.", "seven")
    assert not await by_text.equivalent("seven", "eight")
    assert await by_length.equivalent("seven", "eight")


@pytest.mark.parametrize(
    ("text", "plain"),
    [("  Two   Words. ", "two words"), ('"Quoted"', "quoted"), ("STRASSE", "strasse"), ("e.g.", "e.g"), ("", "")],
)
def test_plain_text(text: str, plain: str):
    assert plain_text(text) == plain
