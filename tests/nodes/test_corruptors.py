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
    [(2, STEPS), (0, ["So 1.5 + 2.5 = 4 apples."]), (0, ["That is 3 + 4 = 8."])],
    ids=["no equation", "fractions", "wrong already"],
)
def test_step_that_holds_no_whole_right_equation_is_left_alone(index: int, steps: list[str]):
    assert corrupted(index, *DEFINITIONS, steps=steps) == NotCorrupted()


def test_same_key_gives_the_same_error_and_others_give_others():
    changes = [corrupted(0, "calculation_error", number=number) for number in range(20)]
    assert corrupted(0, "calculation_error") == changes[0]
    assert len({change.step for change in changes}) > 1
