"""Worked solutions, as data sets have them."""

import json
from pathlib import Path

import pytest

from critique_graph.core.schema import Problem
from critique_graph.problems.load import load_problems
from critique_graph.problems.solutions import worked_solution

GSM8K = "Natalia sold 48/2 = <<48/2=24>>24 clips in May.\nAltogether 48+24 = <<48+24=72>>72 clips.\n#### 72"
PLAIN = "Natalia sold 48/2 = 24 clips in May.\nAltogether 48+24 = 72 clips.\nThe answer is \\boxed{72}."
MATH = "We have $r = 3$.\n\nTherefore, it is $\\boxed{3}.$"


def test_solution_of_gsm8k_ends_in_an_answer_line_and_has_no_marks_for_a_calculator():
    assert worked_solution(GSM8K) == PLAIN
    assert worked_solution("#### 72") is None


@pytest.mark.parametrize(
    ("row", "solution"),
    [
        ({"answer": GSM8K}, PLAIN),
        ({"answer": "3", "solution": MATH}, MATH),
        ({"solution": MATH}, MATH),
        ({"answer": "72"}, None),
        ({"answer": "x = 3\ny = 4"}, None),
        ({}, None),
    ],
    ids=["GSM8K", "MATH-500", "MATH", "bare answer", "answer of two lines", "no answer"],
)
def test_worked_solution_of_a_row_is_read_if_it_is_wanted(
    tmp_path: Path, row: dict[str, str], solution: str | None
) -> None:
    (tmp_path / "set.jsonl").write_text(json.dumps({"question": "Q", **row}))
    (problem,) = load_problems(tmp_path / "set.jsonl", with_solutions=True)
    assert problem.solution == solution
    (without,) = load_problems(tmp_path / "set.jsonl")
    assert without.solution is None
    assert without.answer == problem.answer


def test_problem_without_a_solution_is_written_as_before_there_were_any():
    problem = Problem(id="a", question="Q", answer="1")
    written = '{"id":"a","question":"Q","answer":"1","level":null,"source":null}'
    assert problem.model_dump_json() == written
    assert "solution" not in problem.to_input()
    solved = problem.model_copy(update={"solution": MATH})
    assert Problem.model_validate_json(solved.model_dump_json()) == solved
    assert solved.to_input()["solution"] == MATH
