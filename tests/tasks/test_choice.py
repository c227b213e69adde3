"""Multiple choice: which letter a response answers with, and what options and references may look like in a row."""

import json
from pathlib import Path

import pytest

from critique_graph.core.errors import InputError
from critique_graph.problems.load import load_problems
from critique_graph.tasks.choice import CHOICE, read_letter, read_options, read_reference, with_options

CITIES = ["Sydney", "Melbourne", "Canberra", "Perth"]


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("It is inland.\nThe answer is (C).", "C"),
        ("The answer is C.", "C"),
        ("The correct answer is option C", "C"),
        ("The answer is C) Canberra.", "C"),
        ("The answer is C. Canberra", "C"),
        ("The answer is (C) Canberra, because it was built for that.", "C"),
        ("**Answer:** C", "C"),
        ("Answer: **(C)**", "C"),
        ("Final Answer: c", "C"),
        ("so \\boxed{C}", "C"),
        ("so $\\boxed{\\text{(C)}}$", "C"),
        ("<answer>C</answer>", "C"),
        ("The answer is (A). No, Sydney is larger.\nThe answer is (C).", "C"),
        ("C", "C"),
        ("(c)", "C"),
        ("C. Canberra", "C"),
        ("Canberra was built for it.\n\n**C**", "C"),
        ("The answer is J", "J"),
        ("The answer is (K).", None),
        ("The answer is (LETTER).", None),
        ("The answer is A city in the south.", None),
        ("The answer is A and C.", None),
        ("The answer is C or D.", None),
        ("The answer is (B), (C).", None),
        ("The answer is Canberra.", None),
        ("Because C is inland, it is unlike A.", None),
        ("I like a\na", None),
        ("", None),
        ("!" * 100_000, None),
    ],
)
def test_letter_of_a_response(text: str, letter: str | None):
    assert read_letter(text) == letter


@pytest.mark.parametrize(
    "options",
    [
        CITIES,
        dict(zip("ABCD", CITIES, strict=True)),
        {"text": CITIES, "label": ["A", "B", "C", "D"]},
        {"label": ["1", "2", "3", "4"], "text": CITIES},
    ],
    ids=["list", "mapping", "ARC", "ARC with numbers"],
)
@pytest.mark.parametrize("field", ["options", "Choices"])
def test_options_follow_the_question(options: object, field: str):
    asked = with_options("Which is the capital?", {field: options})

    assert asked == "Which is the capital?\n\nA. Sydney\nB. Melbourne\nC. Canberra\nD. Perth"


def test_question_that_has_its_options_stays():
    assert with_options("A Sydney, B Perth?", {"question": "A Sydney, B Perth?"}) == "A Sydney, B Perth?"


@pytest.mark.parametrize(
    ("reference", "fields", "letter"),
    [
        ("C", {}, "C"),
        (" (c) ", {}, "C"),
        ("", {}, None),
        ("C", {"options": CITIES}, "C"),
        ("canberra.", {"options": CITIES}, "C"),
        ("2", {"options": CITIES}, "C"),
        ("3", {"choices": {"text": CITIES, "label": ["1", "2", "3", "4"]}}, "C"),
        ("4", {"options": ["3", "4"]}, "B"),
    ],
)
def test_letter_of_a_reference(reference: str, fields: dict[str, object], letter: str | None):
    assert read_reference(reference, fields) == letter


@pytest.mark.parametrize(
    ("reference", "fields", "message"),
    [
        ("9", {}, "'9' is no letter from A to J"),
        ("E", {"options": CITIES}, "'E' is no letter from A to D and no option"),
        ("4", {"options": CITIES}, "'4' is no letter from A to D and no option"),
        ("Hobart", {"options": CITIES}, "'Hobart' is no letter"),
        ("1", {"options": ["1", "2"]}, "'1' may be A or B"),
        ("A", {"options": ["B", "A"]}, "'A' may be A or B"),
    ],
)
def test_reference_that_names_no_single_option(reference: str, fields: dict[str, object], message: str):
    with pytest.raises(ValueError, match=message):
        read_reference(reference, fields)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("Sydney, Perth", "a list of two to ten options"),
        (["Sydney"], "a list of two to ten options"),
        (list("abcdefghijk"), "a list of two to ten options"),
        (["Sydney", None], "every option in 'options' must be a text or a number"),
        (["Sydney", " "], "every option in 'options' must be"),
        ({"A": "Sydney", "C": "Perth"}, "keys of 'options' must be the letters A, B"),
    ],
)
def test_options_that_cannot_be_used(options: object, message: str):
    with pytest.raises(ValueError, match=message):
        read_options({"options": options})


def test_file_of_questions_with_options(tmp_path: Path):
    rows = [
        {"question": "Which is the capital?", "choices": CITIES, "answer": 2},
        {"question": "Which is largest? A Sydney, B Perth", "answer": "A"},
    ]
    (tmp_path / "set.jsonl").write_text("\n".join(map(json.dumps, rows)))

    first, second = load_problems(tmp_path / "set.jsonl", task=CHOICE)

    assert (first.question.splitlines()[-2:], first.answer) == (["C. Canberra", "D. Perth"], "C")
    assert (second.question, second.answer) == (rows[1]["question"], "A")


def test_row_that_cannot_be_used_is_named(tmp_path: Path):
    row = {"question": "Which?", "choices": CITIES, "answer": "Hobart"}
    (tmp_path / "set.jsonl").write_text(json.dumps(row))

    with pytest.raises(InputError, match=r"set.jsonl, line 1: the reference 'Hobart' is no letter"):
        list(load_problems(tmp_path / "set.jsonl", task=CHOICE))


async def test_choice_is_graded_by_its_letter():
    grader = CHOICE.grader

    assert (await grader.grade("C", "(c)")).outcome == "correct"
    assert (await grader.grade("B", "C")).outcome == "incorrect"
    assert (await grader.grade(None, "C")).reason == "no_answer"
    assert (await grader.grade("C", "Canberra")).reason == "unreadable_reference"
    assert await grader.equivalent("C", "C")
    assert not await grader.equivalent("C", "B")
