"""Free text: what a response answers, when it equals the reference, and when it fits a pattern."""

import pytest

from critique_graph.tasks.text import EXACT, REGEX, read_pattern, read_phrase


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("So it is.\nThe answer is Alan Turing.", "Alan Turing"),
        ("The answer is to be or not to be.", "to be or not to be"),
        ("The answer is: **Alan Turing**", "Alan Turing"),
        ("Final answer: \u201cAlan Turing\u201d.", "Alan Turing"),
        ("**Answer:** Alan Turing", "Alan Turing"),
        ("Answer:\n\nAlan Turing", "Alan Turing"),
        ("<answer>Alan Turing</answer>", "Alan Turing"),
        ("The answer is \\boxed{42}.", "42"),
        ("The answer is Konrad Zuse. No.\nThe answer is Alan Turing.", "Alan Turing"),
        ("The answer is ANSWER.", None),
        ("The answer is correct in every way", "correct in every way"),
        ("I do not know", None),
        ("The answer is", None),
        ("", None),
        ("answer is " * 50_000, "answer is " * 200),
    ],
)
def test_answer_of_a_response(text: str, answer: str | None):
    assert read_phrase(text) == (answer and answer.strip()[:2_000])


@pytest.mark.parametrize(
    ("answer", "reference", "outcome"),
    [
        ("Alan Turing", "alan  turing.", "correct"),
        ("\u201cAlan Turing\u201d", "Alan Turing", "correct"),
        ("\uff11\uff12", "12", "correct"),
        ("Turing", "Alan Turing", "incorrect"),
        ("0.5", "1/2", "incorrect"),
        ("Alan Turing", "", "ungraded"),
    ],
)
async def test_exact(answer: str, reference: str, outcome: str):
    assert (await EXACT.grader.grade(answer, reference)).outcome == outcome


@pytest.mark.parametrize(
    ("answer", "reference", "outcome"),
    [
        ("Alan Turing", "(Alan )?Turing", "correct"),
        ("alan turing", "(Alan )?Turing", "incorrect"),
        ("alan turing", "(?i)(Alan )?Turing", "correct"),
        ("Alan Turing, 1912", "(Alan )?Turing", "incorrect"),
        ("Alan Turing", "(Alan", "ungraded"),
    ],
)
async def test_regex_matches_the_whole_answer(answer: str, reference: str, outcome: str):
    assert (await REGEX.grader.grade(answer, reference)).outcome == outcome


async def test_pattern_without_end_is_ungraded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("critique_graph.tasks.text.PATTERN_SECONDS", 0.05)

    grade = await REGEX.grader.grade("a" * 60 + "b", r"(a|a|aa)+(?=c)\w")

    assert (grade.outcome, grade.reason) == ("ungraded", "timeout")


def test_reference_that_is_no_pattern():
    assert read_pattern(" a+", {}) == " a+"
    with pytest.raises(ValueError, match=r"'\(a' is no regular expression: missing \)"):
        read_pattern("(a", {})
