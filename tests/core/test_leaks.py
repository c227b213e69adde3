import pytest
from fakes import critique_text, solution

from critique_graph.core.leaks import gives_answer_away

QUESTION, WRONG = "Ann has 3 pens. Ann buys 4 more. How many pens does Ann have?", solution(8, "3 + 4 = 8.")
SAYS_WRONG = critique_text("Wrong", ("3 + 4 = 8.", "Wrong"))


@pytest.mark.parametrize(
    ("said", "reference", "expected"),
    [
        ("The answer should be 7.", "7", True),
        ("3 + 4 = 7.", "7", False),
        ("Step 7: nothing.", "7", False),
        ("There are 70 or 17 or 7.5 of them.", "7", False),
        ("It costs 1,250.", "1250", True),
        ("So 25 * 50 = $1,250$.", "1250", False),
        ("There are 4 of them.", "4", False),
        (r"It must be \frac{1}{2}.", r"\frac{1}{2}", True),
    ],
    ids=["stated", "worked out", "number of a step", "other numbers", "thousands", "thousands worked out",
         "in the question", "fraction"],
)  # fmt: skip
def test_answer_is_given_away_where_it_is_not_worked_out(said: str, reference: str, expected: bool):
    critique = SAYS_WRONG.replace("because.", said)

    found = gives_answer_away(critique, critique, question=QUESTION, response=WRONG, reference=reference)

    assert found is expected


def test_reasoning_that_works_the_answer_out_is_work():
    critique = SAYS_WRONG.replace("because.", "It should be 7.")
    work = f"<think>\n3 + 4 = 7\n</think>\n\n{critique}"

    assert not gives_answer_away(critique, work, question=QUESTION, response=WRONG, reference="7")
    assert gives_answer_away(critique, critique, question=QUESTION, response=WRONG, reference="7")
