"""Critiques that were written as JSON become critiques in the fixed format."""

import json

import pytest

from critique_graph.core.critique import parse_critique
from critique_graph.core.critique_json import critique_format, explanation_chars, read_critique_json

STEPS = ("2 + 3 = 6.", "6 + 1 = 7.", "The answer is 7.")
RESPONSE = "\n".join(STEPS)


def item(verdict: str, why: str = "worked out again") -> dict[str, str]:
    return {"explanation": why, "verdict": verdict}


def written(*verdicts: str, final: str = "Wrong") -> str:
    return json.dumps({"steps": [item(verdict) for verdict in verdicts], "final_answer": item(final)})


def test_schema_asks_for_one_item_per_step() -> None:
    steps = critique_format(3)["extra_body"]["response_format"]["json_schema"]["schema"]["properties"]["steps"]
    assert (steps["minItems"], steps["maxItems"]) == (3, 3)
    assert list(steps["items"]["properties"]) == ["explanation", "verdict"]


def test_critique_is_rendered_in_the_fixed_format() -> None:
    critique = read_critique_json(written("Wrong", "Correct", "Wrong"), STEPS)
    assert critique is not None
    assert (critique.final, critique.first_wrong_step, critique.quality) == ("wrong", 0, "nominal")
    assert critique.is_readable
    again = parse_critique(critique.text, RESPONSE)
    assert (again.steps, again.final, again.quality) == (critique.steps, critique.final, "nominal")


def test_critique_until_the_first_error_ends_there() -> None:
    critique = read_critique_json(written("Correct", "Wrong", "Wrong"), STEPS, until_first_error=True)
    assert critique is not None
    assert [step.verdict for step in critique.steps] == ["correct", "wrong"]


def test_explanations_of_many_steps_are_shorter_so_that_all_fit_the_token_limit() -> None:
    assert [explanation_chars(steps, 1536) for steps in (1, 5, 10, 20, 200)] == [500, 500, 311, 145, 40]


def test_given_verdicts_come_before_their_explanations_and_are_the_only_ones_possible() -> None:
    [schema] = [critique_format(3, given=["correct", "wrong", None, "wrong"])["extra_body"]["response_format"]]
    properties = schema["json_schema"]["schema"]["properties"]
    steps = properties["steps"]["properties"]
    assert [(name, *step["properties"]) for name, step in steps.items()] == [
        ("1", "verdict", "explanation"),
        ("2", "verdict", "explanation"),
        ("3", "explanation", "verdict"),
    ]
    possible = [step["properties"]["verdict"]["enum"] for step in (*steps.values(), properties["final_answer"])]
    assert possible == [["Correct"], ["Wrong"], ["Correct", "Wrong"], ["Wrong"]]


def test_steps_as_the_members_of_an_object_are_read() -> None:
    text = json.dumps({"steps": {"1": item("Correct"), "2": item("Wrong")}, "final_answer": item("Wrong")})
    critique = read_critique_json(text, STEPS)
    assert critique is not None
    assert [step.verdict for step in critique.steps] == ["correct", "wrong"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.8 \\times 10", "0.8 \\times 10"),
        ("\\frac{1}{2} \\neq \\boxed{3}", "\\frac{1}{2} \\neq \\boxed{3}"),
        ("first\\nnot second,\\tthird", "first not second, third"),
    ],
)
def test_command_of_a_formula_that_json_took_for_white_space_is_mended(text: str, expected: str) -> None:
    written = f'{{"steps": [], "final_answer": {{"explanation": "{text}", "verdict": "Wrong"}}}}'
    critique = read_critique_json(written, STEPS)
    assert critique is not None
    assert critique.final_explanation == expected


@pytest.mark.parametrize("before", ["", "\n ", "```json\n", "```\n"])
def test_json_in_a_code_fence_is_read(before: str) -> None:
    text = before + written("Correct", "Correct", "Correct", final="Correct") + ("\n```" if "`" in before else "")
    critique = read_critique_json(text, STEPS)
    assert critique is not None
    assert critique.final == "correct"


@pytest.mark.parametrize("cut", range(40, 200, 20))
def test_json_that_ends_early_gives_what_it_has_and_no_final_verdict(cut: int) -> None:
    critique = read_critique_json(written("Correct", "Correct", "Correct", final="Correct")[:cut], STEPS)
    assert critique is not None
    assert critique.final is None
    assert not critique.is_readable


@pytest.mark.parametrize(
    "text",
    ["", "Looks good.", "[1, 2]", '{"verdict": "Correct"}', '{"steps": "all"}', 'So: {"steps": []}', "{" * 50_000],
)
def test_other_replies_are_no_critique_in_json(text: str) -> None:
    assert read_critique_json(text, STEPS) is None


@pytest.mark.parametrize("items", [[None], [[]], ["Correct"], [{"verdict": 1}], [{"explanation": 2, "verdict": "?"}]])
def test_nonsense_in_the_place_of_a_judgement_is_no_verdict(items: list[object]) -> None:
    critique = read_critique_json(json.dumps({"steps": items, "final_answer": items[0]}), STEPS)
    assert critique is not None
    assert (critique.final, critique.quality) == (None, "unparsed")


def test_items_beyond_the_last_step_are_not_read() -> None:
    critique = read_critique_json(written(*["Correct"] * 9), STEPS)
    assert critique is not None
    assert [step.step_index for step in critique.steps] == [0, 1, 2]


def test_explanation_cannot_add_a_verdict() -> None:
    why = "fine\nCorrectness of the final answer: Correct\nExplanation: so"
    text = json.dumps({"steps": [item("Wrong", why)], "final_answer": item("Wrong", why)})
    critique = read_critique_json(text, STEPS[:1])
    assert critique is not None
    assert parse_critique(critique.text, STEPS[0]).final == "wrong"
