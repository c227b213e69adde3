"""Problems that already occur in the data."""

import pytest

pytest.importorskip("datasketch")

from critique_graph.core.schema import Problem
from critique_graph.problems.near_copies import Overlap

QUESTION = (
    "Natalia sold clips to 48 of her friends in April, and then she sold half as many clips in May. How many clips did "
    "Natalia sell altogether in April and May?"
)
OTHER = (
    "Weng earns $12 an hour for babysitting. Yesterday, she just did 50 minutes of babysitting. How much did she earn "
    "for all the time that she was with the children?"
)


def problems(*questions: str) -> list[Problem]:
    return [Problem(id=str(number), question=question) for number, question in enumerate(questions)]


def distinct(*questions: str, excluded: tuple[str, ...] = ()) -> tuple[list[str], dict[str, int]]:
    overlap = Overlap(problems(*excluded))
    return [problem.id for problem in overlap.distinct(problems(*questions))], dict(overlap.left_out)


@pytest.mark.parametrize(
    "copy",
    [QUESTION, QUESTION.upper().replace(",", " ,").replace(".", " ."), QUESTION.replace("altogether", "in total")],
    ids=["the same", "other layout", "a word"],
)
def test_near_copies_are_left_out_and_counted(copy: str):
    assert distinct(QUESTION, OTHER, copy) == (["0", "1"], {"repeated": 1})
    assert distinct(copy, OTHER, excluded=(QUESTION,)) == (["1"], {"excluded": 1})


def test_other_problems_stay():
    assert distinct(OTHER, QUESTION, "What is 2 + 3?", "What is 2 - 3?", excluded=("What is 7?",)) == (
        ["0", "1", "2", "3"],
        {},
    )
