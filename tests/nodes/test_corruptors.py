"""Errors inserted on purpose by arithmetic alone."""

import asyncio
import re

import pytest

from critique_graph.calls.caller import CallKey
from critique_graph.core.prompts import DEFINITIONS
from critique_graph.nodes.corruptors import ExactCorruptor, NotCorrupted

QUESTION = "Ann has 3 apples, buys 4 more, and doubles them. Her mother is 35."
STEPS = ["Ann has 3 + 4 = 7 apples.", "Doubled, that is 7 * 2 = 14 apples.", "That is a lot."]


def corrupted(index: int, *error_types: str, steps: list[str] = STEPS, number: int = 0) -> object:
    key = CallKey("p", "corruptor", f"rg3-{number}", 0)
    return asyncio.run(ExactCorruptor(0)(QUESTION, steps, index, error_types, key))


@pytest.mark.parametrize(
    ("index", "error_type", "patterns"),
    [
        (0, "calculation_error", ["3 + 4 = (?!7 )"]),
        (0, "operator_error", ["3 \\* 4 = 12"]),
        (0, "referencing_context_value_error", ["3 \\+ 35 = 38"]),
        (1, "referencing_context_value_error", ["7 \\* (3|4|35) = (21|28|245)"]),
    ],
)
def test_equation_is_changed_by_the_type_asked_for(index: int, error_type: str, patterns: list[str]):
    changed = corrupted(index, error_type)
    assert changed.type == error_type
    assert re.search(patterns[0].replace("3 + 4", "3 \\+ 4"), changed.step)
    assert re.sub(r"\d+ . \d+ = \d+", "", changed.step) == re.sub(r"\d+ . \d+ = \d+", "", STEPS[index])


def test_result_of_an_earlier_step_can_be_taken_for_another():
    steps = [*STEPS[:2], "With 14 + 5 = 19 it is done."]
    changed = corrupted(2, "referencing_previous_step_value_error", steps=steps)
    assert changed.step == "With 7 + 5 = 12 it is done."
    assert changed.description == "`14 + 5 = 19` was made `7 + 5 = 12`"


def test_first_type_that_applies_is_taken():
    assert corrupted(0, "unit_conversion_error", "operator_error").type == "operator_error"


@pytest.mark.parametrize(
    ("index", "steps"),
    [(2, STEPS), (0, ["So 10 / 3 = 3.33 apples."]), (0, ["That is 3 + 4 = 8."])],
    ids=["no equation", "rounded", "wrong already"],
)
def test_step_that_holds_no_right_equation_is_left_alone(index: int, steps: list[str]):
    assert corrupted(index, *DEFINITIONS, steps=steps) == NotCorrupted()


def test_same_key_gives_the_same_error_and_others_give_others():
    changes = [corrupted(0, "calculation_error", number=number) for number in range(20)]
    assert corrupted(0, "calculation_error") == changes[0]
    assert len({change.step for change in changes}) > 1


@pytest.mark.parametrize(
    ("step", "pattern"),
    [
        (r"\[ 3 \text{ apples} \times 4 = \boxed{12} \]", r"\[ 3 \text{ apples} \times 4 = \boxed{#} \]"),
        (r"So $2+\frac{5}{3}+1=\frac{14}{3}$.", None),
        ("She pays $12 + $5 = $17.", "She pays $12 + $5 = $#."),
        ("12 cm + 5 cm = 17 cm", "12 cm + 5 cm = # cm"),
        ("He sells 3*4=<<3*4=12>>12 eggs", "He sells 3*4=# eggs"),
        ("Each costs $1,200.50 / 2 = $600.25.", "Each costs $1,200.50 / 2 = $#."),
        ("That is 20% of 50 = 10 people", "That is 20% of 50 = # people"),
        ("So 1 / 4 * 100 = 25%.", "So 1 / 4 * 100 = #%."),
        (r"The area is $3^2 \cdot \pi = 9\pi$.", r"The area is $3^2 \cdot \pi = #\pi$."),
    ],
    ids=["LaTeX", "fraction", "dollars", "units", "marks", "thousands", "percent of", "percent", "pi"],
)
def test_result_of_an_equation_in_real_text_is_changed_in_its_style(step: str, pattern: str | None):
    changed = corrupted(0, "calculation_error", steps=[step])
    assert changed.step != step
    if pattern is not None:
        kept, end = pattern.split("#")
        assert changed.step.startswith(kept)
        assert changed.step.endswith(end)
        assert changed.step[len(kept) : -len(end)].replace(",", "").replace(".", "").isdigit()


def test_only_steps_that_can_be_changed_are_places():
    steps = ["First, a plan.", "3 + 4 = 7", "So x = 7.", "10 / 3 = 3.33", "7 * 2 = 14"]
    assert ExactCorruptor(0).places(QUESTION, steps, tuple(DEFINITIONS)) == [1, 4]
    assert ExactCorruptor(0).places(QUESTION, steps, ("missing_step",)) == []
