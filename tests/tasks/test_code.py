"""Programs as answers: what is read of a response, which programs are equal, and how one is graded by its tests."""

import json
from pathlib import Path

import pytest

from critique_graph.core.errors import InputError
from critique_graph.core.prompts import DEFAULT_PROMPTS
from critique_graph.core.schema import Grade
from critique_graph.core.steps import split_steps
from critique_graph.problems.load import load_problems
from critique_graph.tasks.code import CODE, CODE_SEEN_TESTS, is_same_program, mentions_tests, read_program

ADD = {
    "task_id": "own/add",
    "prompt": 'def add(a: int, b: int) -> int:\n    """Give the sum."""\n',
    "entry_point": "add",
    "canonical_solution": "    return a + b\n",
    "test": "def check(candidate):\n    assert candidate(1, 2) == 3\n",
}
CUBE = {
    "task_id": 7,
    "text": "Write a function to find the cube.",
    "code": "def cube(n):\n    return n**3",
    "test_list": ["assert cube(2) == 8"],
    "test_setup_code": "",
}
SANITIZED = {"task_id": 8, "prompt": CUBE["text"], "code": CUBE["code"], "test_list": CUBE["test_list"]}
BLOCK = "```python\n{}\n```"
RIGHT, WRONG = "def add(a, b):\n    return a + b", "def add(a, b):\n    return a - b"


def problems_of(folder: Path, *rows: object) -> Path:
    file = folder / "problems.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)))
    return file


def test_published_rows_become_questions_with_tests(tmp_path: Path):
    human_eval, mbpp, sanitized = load_problems(problems_of(tmp_path, ADD, CUBE, SANITIZED), task=CODE)

    assert (human_eval.id, human_eval.question) == ("own/add", str(ADD["prompt"]).strip())
    assert json.loads(human_eval.answer or "") == {
        "tests": f"{ADD['test']}\n\ncheck(add)\n",
        "names": ["add"],
        "setup": "",
    }
    assert (mbpp.id, sanitized.id) == ("7", "8")
    assert mbpp.question == f"{CUBE['text']}\nYour code should pass these tests:\n\nassert cube(2) == 8"
    assert sanitized.question == mbpp.question
    for problem in (human_eval, mbpp, sanitized):
        assert "return" not in f"{problem.question}{problem.answer}"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            {"question": "2 + 2?", "answer": "4"},
            "line 2: field 'task_id' of a problem in the format of MBPP: field requ",
        ),
        (
            ADD | {"test": None},
            "line 2: field 'test' of a problem in the format of HumanEval: input should be a valid str",
        ),
        (CUBE | {"test_list": []}, "line 2: field 'test_list' of a problem in the format of MBPP"),
        (ADD | {"task_id": "x", "prompt": "def add():\n\ud800"}, "line 2: .*surrogate"),
    ],
)
def test_row_in_another_format_is_one_line(tmp_path: Path, row: object, message: str):
    with pytest.raises(InputError, match=message) as raised:
        list(load_problems(problems_of(tmp_path, ADD, row), task=CODE))

    assert "\n" not in str(raised.value)


def test_fields_are_not_named_by_the_user(tmp_path: Path):
    with pytest.raises(InputError, match="task code reads fields of its own: leave out question_field and"):
        load_problems(problems_of(tmp_path, ADD), task=CODE, question_field="prompt")


@pytest.mark.parametrize("text", ["9", "assert add(1, 2) == 3", '{"tests": "assert True"}', "[1]", "{"])
def test_reference_that_is_no_tests_in_json_is_refused(text: str):
    with pytest.raises(ValueError, match="is no tests in JSON"):
        CODE.reference(text, {})


@pytest.mark.parametrize(
    ("response", "program"),
    [
        (f"Add them.\nThe program is:\n{BLOCK.format(RIGHT)}", RIGHT),
        (f"{BLOCK.format(WRONG)}\nNo:\n{BLOCK.format(RIGHT)}", RIGHT),
        (f"{BLOCK.format(RIGHT)}\nFor example:\n{BLOCK.format('print(add(1, 2))')}", RIGHT),
        (BLOCK.format("add = int.__add__"), "add = int.__add__"),
        (f"```python\n{RIGHT}", RIGHT),
        (RIGHT, RIGHT),
        ("The answer is 3.", None),
        ("", None),
    ],
)
def test_program_of_a_response(response: str, program: str | None):
    assert read_program(response) == program


@pytest.mark.parametrize(
    ("other", "is_same"),
    [
        ("def add(a,b):\n\n  # the sum\n  return a+b  # done", True),
        ("def add(b, a):\n    return a + b", False),
        ("def ADD(a, b):\n    return a + b", False),
        (WRONG, False),
        ("def add(a, b):\n    return (", False),
    ],
)
def test_programs_are_equal_by_their_tokens(other: str, is_same: bool):
    assert is_same_program(RIGHT, other) is is_same_program(other, RIGHT) is is_same


def test_indentation_that_changes_the_meaning_makes_another_program():
    inside = "def f(n):\n    for i in n:\n        x = i\n        return x"
    outside = "def f(n):\n    for i in n:\n        x = i\n    return x"

    assert not is_same_program(inside, outside)


@pytest.mark.parametrize("text", ["def f(:\n\t\x00 '''", "(" * 50_000, "", "\\"])
def test_text_that_is_no_python_equals_itself_alone(text: str):
    assert is_same_program(text, str(text))
    assert not is_same_program(text, RIGHT)


@pytest.mark.usefixtures("sandbox")
@pytest.mark.parametrize(
    ("program", "outcome", "reason"),
    [
        (RIGHT, "correct", "passed"),
        (WRONG, "incorrect", "failed: assert candidate(1, 2) == 3; add(1, 2) gave -1"),
        ("def add(a, b):\n    return c", "incorrect", "NameError: name 'c' is not defined"),
        ("def plus(a, b):\n    return a + b", "incorrect", "failed: "),
        ("import os\ndef add(a, b):\n    os.fork()", "incorrect", "forbidden: "),
        ("import os\nos._exit(0)", "incorrect", "failed: "),
    ],
)
async def test_program_is_graded_by_its_tests(tmp_path: Path, program: str, outcome: str, reason: str):
    (problem,) = load_problems(problems_of(tmp_path, ADD), task=CODE)

    grade = await CODE.grader.grade(program, problem.answer or "")

    assert (grade.outcome, reason in str(grade.reason)) == (outcome, True)


@pytest.mark.usefixtures("sandbox")
async def test_tests_that_cannot_be_run_leave_a_program_ungraded():
    broken = json.dumps({"tests": "assert (", "names": ["add"]})

    assert (await CODE.grader.grade(RIGHT, broken)).outcome == "ungraded"
    assert await CODE.grader.grade(RIGHT, "3") == Grade(outcome="ungraded", reason="unreadable_reference")
    assert await CODE.grader.grade(None, broken) == Grade(outcome="incorrect", reason="no_answer")


def test_prompts_ask_for_a_program_and_for_no_box():
    wording = CODE.worded(DEFAULT_PROMPTS)

    for node in ("solve", "refine", "smooth"):
        ask = getattr(wording, node).ask
        assert "the whole program, with its imports, in this form:\nThe program is:\n```python\nPROGRAM\n```" in ask
        assert "boxed" not in ask
    assert wording.critique == DEFAULT_PROMPTS.critique


def test_steps_are_lines_of_prose_and_the_whole_program():
    code = "import math\n\ndef f(n):\n    # go on\n\n    return math.pi * n"
    program = f"The program is:\n{BLOCK.format(code)}"

    assert split_steps(f"A circle has an area.\nIt is pi times n.\n{program}") == (
        "A circle has an area.",
        "It is pi times n.",
        program,
    )


def test_critique_that_speaks_of_the_tests_leaks_them():
    assert mentions_tests("The given tests fail.")
    assert mentions_tests("It fails the second test case.")
    assert mentions_tests("It fails the second test.")
    assert mentions_tests("The hints say so.")
    assert not mentions_tests("The loop tests whether n is even, which is wrong.")


def test_critic_may_be_told_of_the_tests_by_the_task_alone():
    failed = Grade(outcome="incorrect", reason="failed: assert add(1, 2) == 3")

    assert CODE.evidence is None
    assert CODE_SEEN_TESTS.evidence is not None
    assert CODE_SEEN_TESTS.evidence(failed).endswith("does not pass the tests. failed: assert add(1, 2) == 3")
    assert "passes all tests" in CODE_SEEN_TESTS.evidence(Grade(outcome="correct", reason="passed"))
    assert "no program" in CODE_SEEN_TESTS.evidence(Grade(outcome="incorrect", reason="no_answer"))
    assert "could not be tested" in CODE_SEEN_TESTS.evidence(Grade(outcome="ungraded", reason="unusable: x"))
