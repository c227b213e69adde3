import json
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from critique_graph.core.steps import is_introduction, split_steps, step_at

DATA = Path(__file__).parents[2] / ".." / "shared" / "data"


@pytest.mark.parametrize(
    ("response", "steps"),
    [
        pytest.param(
            "Tom has 3 + 4 = 7 apples.\nHe eats 2, so 5 are left.\nThe answer is \\boxed{5}.",
            ("Tom has 3 + 4 = 7 apples.", "He eats 2, so 5 are left.", "The answer is \\boxed{5}."),
            id="one step per line",
        ),
        pytest.param(
            "Let's break it down step by step:\n\nShe sold 30 / 2 = <<30/2=15>>15 eggs\nShe has 15 left.\n"
            "The answer is 15.",
            ("She sold 30 / 2 = <<30/2=15>>15 eggs", "She has 15 left.", "The answer is 15."),
            id="GSM8K style after a preamble",
        ),
        pytest.param(
            "Completing the square, $y = -3(x + 1)^2 - 3.$  Therefore, the focus is $(-1,3).$ "
            "The answer is $\\boxed{5}$.",
            (
                "Completing the square, $y = -3(x + 1)^2 - 3.$",
                "Therefore, the focus is $(-1,3).$",
                "The answer is $\\boxed{5}$.",
            ),
            id="MATH paragraph with full stops inside formulas",
        ),
        pytest.param(
            "It costs 3.5 dollars, i.e. 350 cents. Mr. Lee pays $5 for it. So $1.50 is left... or less. That is all.",
            (
                "It costs 3.5 dollars, i.e. 350 cents.",
                "Mr. Lee pays $5 for it.",
                "So $1.50 is left... or less.",
                "That is all.",
            ),
            id="decimals, abbreviations, sums of money, ellipses",
        ),
        pytest.param(
            "For $x<7$ we have \\[\\begin{aligned} a&=b \\\\\n\nx&=3.\n\\end{aligned}\\]For $x>7$ it is 4. Thus both.",
            (
                "For $x<7$ we have \\[\\begin{aligned} a&=b \\\\\n\nx&=3.\n\\end{aligned}\\]",
                "For $x>7$ it is 4.",
                "Thus both.",
            ),
            id="displayed formula over several lines, then a capital",
        ),
        pytest.param(
            "We get:\n\n$$\nx = 2.\n$$\n\nwhere x counts apples.\n\n"
            "Next we add:\n\\begin{align*}\ny &= 3\n\\end{align*}\n\nSo 5.",
            (
                "We get:\n\n$$\nx = 2.\n$$\n\nwhere x counts apples.",
                "Next we add:\n\\begin{align*}\ny &= 3\n\\end{align*}",
                "So 5.",
            ),
            id="paragraphs with displayed formulas of their own",
        ),
        pytest.param(
            "### Step 1: Count\nThere are 3.\n\nAnd 4 more.\n\n### Step 2: Add\n3 + 4 = 7\n\n---\n\n"
            "Therefore, the answer is 7.",
            (
                "### Step 1: Count\nThere are 3.\n\nAnd 4 more.",
                "### Step 2: Add\n3 + 4 = 7",
                "Therefore, the answer is 7.",
            ),
            id="numbered headings hold whole sections",
        ),
        pytest.param(
            "**Step 1:** Count. There are 3.\n**Step 2:** Add 4. Now 7.\n**Answer:** 7",
            ("**Step 1:** Count. There are 3.", "**Step 2:** Add 4. Now 7.", "**Answer:** 7"),
            id="bold step labels",
        ),
        pytest.param(
            "To find it, follow these steps:\n\n1. **Count:**\n   There are 3.\n2. Add 4. Now 7.\n\nSo there are 7.",
            (
                "To find it, follow these steps:\n\n1. **Count:**\n   There are 3.",
                "2. Add 4. Now 7.",
                "So there are 7.",
            ),
            id="numbered list, its introduction, and what follows it",
        ),
        pytest.param(
            "We know:\n- Ann has 3\n- Bob has 4\n\nTogether they have 7.\n\nHalf of it is 3.5.",
            ("We know:\n- Ann has 3\n- Bob has 4", "Together they have 7.", "Half of it is 3.5."),
            id="list introduced by a colon",
        ),
        pytest.param(
            "- Ann has 3\n- Bob has 3 + 4 = 7\n- The answer is 7",
            ("- Ann has 3", "- Bob has 3 + 4 = 7", "- The answer is 7"),
            id="steps as bullets",
        ),
        pytest.param(
            "First compute.\n```python\nx = 1\n\ny = 2. \nX = 3\n```\nThen 3 + 4\n= 7.",
            ("First compute.\n```python\nx = 1\n\ny = 2. \nX = 3\n```", "Then 3 + 4\n= 7."),
            id="code is one piece, and relations continue a line",
        ),
        pytest.param(
            "[asy]\npair A;\n\ndraw(A. B);\n[/asy]\n\nThe area is 4.",
            ("[asy]\npair A;\n\ndraw(A. B);\n[/asy]", "The area is 4."),
            id="a drawing is one piece",
        ),
        pytest.param("It is 4? No! It is 5. So 5.", ("It is 4?", "No!", "It is 5.", "So 5."), id="question marks"),
        pytest.param("We add. The answer is 5.", ("We add.", "The answer is 5."), id="the answer is always a step"),
        pytest.param(
            "| a | b |\n|---|---|\n| 1 | 2 |\n\nSo 3.\nThe answer is 3.",
            ("| a | b |\n|---|---|\n| 1 | 2 |", "So 3.", "The answer is 3."),
            id="a table is one piece",
        ),
        pytest.param(
            "We count.\na | b\n:--- | ---:\n1 | 2\n3 | 4\nSo 10.",
            ("We count.", "a | b\n:--- | ---:\n1 | 2\n3 | 4", "So 10."),
            id="table without bars at its sides",
        ),
        pytest.param(
            "The table:\n\n| day | eggs |\n| :-: | --- |\n| one | 2. |\n| two | 3. |\n\nIn all 5.",
            ("The table:\n\n| day | eggs |\n| :-: | --- |\n| one | 2. |\n| two | 3. |", "In all 5."),
            id="table introduced by a colon",
        ),
        pytest.param(
            "| 1 | 2 |\n| 3 | 4 |\nSo 10.", ("| 1 | 2 |\n| 3 | 4 |", "So 10."), id="table without a rule or a heading"
        ),
        pytest.param(
            "1. We count:\n| a | b |\n|---|---|\n| 1 | 2 |\n2. We add: 3.",
            ("1. We count:\n| a | b |\n|---|---|\n| 1 | 2 |", "2. We add: 3."),
            id="table in a numbered step",
        ),
        pytest.param("|x| = 3\n|x - 2| = 1", ("|x| = 3", "|x - 2| = 1"), id="absolute values are no table"),
        pytest.param(
            "| a | b |\n|---|---|\n\n| 1 | 2 |", ("| a | b |\n|---|---|", "| 1 | 2 |"), id="a gap ends a table"
        ),
        pytest.param(
            "It costs $5\n\nor $6.\nSo \\(a\n\nb\\) is text.",
            ("It costs $5", "or $6.\nSo \\(a", "b\\) is text."),
            id="no formula goes over a blank line",
        ),
        pytest.param("so\n1\n= x\nStep1", ("so", "1\n= x", "Step1"), id="lines of one word"),
        pytest.param("Let's think step by step", (), id="nothing but a preamble"),
        pytest.param(" \n\n---\n", (), id="blank"),
        pytest.param("", (), id="empty"),
    ],
)
def test_response_is_split(response: str, steps: tuple[str, ...]) -> None:
    assert split_steps(response) == steps


PIECES = [
    "a",
    "B c. D",
    "$x.$ ",
    "$",
    "\\[",
    "\\]",
    "\n",
    "\n\n",
    "1. ",
    "- ",
    "Step 1:",
    "x: ",
    "[asy]",
    "```",
    "= ",
    "é",
]
RESPONSES = st.lists(st.sampled_from(PIECES), max_size=40).map("".join)


@given(RESPONSES | st.text(max_size=200))
@settings(max_examples=300, deadline=None)
def test_steps_are_slices_of_the_response_in_order(response: str) -> None:
    end = 0
    for step in split_steps(response):
        start = response.find(step, end)
        assert step == step.strip() != ""
        assert start >= 0
        end = start + len(step)


@given(RESPONSES)
@settings(max_examples=300, deadline=None)
def test_no_word_of_a_response_is_lost(response: str) -> None:
    assert "".join("".join(split_steps(response)).split()) == "".join(response.split())


HOSTILE = [
    "\\[",
    "\\(",
    "$",
    "$x",
    "\\begin{a}",
    "```\n",
    "[asy]",
    "\\[\n\n",
    "A. ",
    "a\n",
    "- a\n",
    "1. a\n",
    " ",
    "*",
    "<<",
    "x: \n",
]


@pytest.mark.parametrize("unit", HOSTILE)
def test_hostile_response_of_100_kb_is_split_in_linear_time(unit: str) -> None:
    response = unit * (100_000 // len(unit))
    start = time.perf_counter()

    split_steps(response)

    assert time.perf_counter() - start < 30  # measured under 1 s; quadratic time would be minutes


def test_processbench_steps_are_found_again_in_their_joined_text() -> None:
    path = DATA / "processbench" / "gsm8k.json"
    if not path.exists():
        pytest.skip(f"{path} is not on this machine")
    records = [record["steps"] for record in json.loads(path.read_text())]

    again = [split_steps("\n\n".join(steps)) == tuple(step.strip() for step in steps) for steps in records]

    assert sum(again) >= 268  # of 400; most others differ only by an answer sentence that is a step of its own here


INTRODUCTIONS = [
    "To solve this problem, we need to determine the number of doorbell rings made by Jerome. Let's break it down.",
    "To determine Mr. Tan's net proceeds from selling the house, we need to subtract the expenses from the price.",
    "To find the total number of matches, we need to follow these steps:\n\n1. Calculate the number of each group.",
    "2. Determine the number of miles the fog bank can cover in that distance.",
    "Let's break it down step by step!",
    "Let\u2019s start by calculating the points each player has at the end.",
    "Sure! Here's the solution:",
    "1. **Calculate the total number of sides**",
]
CLAIMS = [
    "To find the cost, we need to add: 3 + 4 = 7.",
    "First, calculate the number of children per row. There are 8 children in a row.",
    "Next, she doubles them.",
    "The dogs are cats.",
    "3 + 4 = 7.",
    "Step 1: Ann has 3 * 4 = 12 apples.",
    "To know more, Ann asked Ben.",
    "",
]


@pytest.mark.parametrize(
    ("step", "expected"), [*((step, True) for step in INTRODUCTIONS), *((step, False) for step in CLAIMS)]
)
def test_introductions_and_plans_are_told_from_steps_that_can_be_wrong(step: str, expected: bool) -> None:
    assert is_introduction(step) is expected


def test_few_introductions_of_processbench_are_labelled_as_the_first_error() -> None:
    path = DATA / "processbench" / "gsm8k.json"
    if not path.exists():
        pytest.skip(f"{path} is not on this machine")
    records = json.loads(path.read_text())
    found = [(record, index) for record in records for index, s in enumerate(record["steps"]) if is_introduction(s)]
    assert len(found) >= 95
    assert sum(record["label"] == index for record, index in found) <= 3


def test_step_of_a_place_in_a_response_is_the_one_there_or_the_next() -> None:
    response = "3 + 4 = 7.\n7 * 2 = 14.\n\n"
    assert [step_at(response, place) for place in (0, 9, 10, 11, 21, 22)] == [0, 0, 1, 1, 1, None]
