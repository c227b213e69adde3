"""Members of records, and records that were written before they had all their fields."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from critique_graph.core.critique import parse_critique
from critique_graph.core.paths import ReasoningPath
from critique_graph.core.schema import Call, Chain, Critique, Grade, Response, Round, Usage

CORRECT, INCORRECT = Grade(outcome="correct"), Grade(outcome="incorrect")


@pytest.mark.parametrize(
    ("grade", "finish_reason", "is_correct"),
    [
        (CORRECT, "stop", True),
        (INCORRECT, "stop", False),
        (CORRECT, "length", False),
        (Grade(outcome="ungraded", reason="timeout"), "stop", None),
        (None, "stop", None),
    ],
    ids=["correct", "incorrect", "cut off", "ungraded", "no grade"],
)
def test_response_is_correct_if_it_is_complete_and_graded_so(
    grade: Grade | None, finish_reason: str, is_correct: bool | None
) -> None:
    response = Response(text="3", answer="3", call=Call(model="m", finish_reason=finish_reason), grade=grade)
    assert response.is_correct is is_correct


@pytest.mark.parametrize(
    ("sentence", "verdict", "is_readable"),
    [("1 + 2 = 3.", "Wrong", True), ("1 + 2 = 3.", "perhaps", False), ("Call Bob today.", "Wrong", False)],
    ids=["whole", "step without a verdict", "step of another response"],
)
def test_critique_is_readable_if_it_judges_steps_of_the_response(
    sentence: str, verdict: str, is_readable: bool
) -> None:
    text = (
        f"Step sentence: {sentence}\nCorrectness of the step: {verdict}\nExplanation: so\n\n"
        "Correctness of the final answer: Wrong\nExplanation: so"
    )
    assert parse_critique(text, "1 + 2 = 3.\nThe answer is 3.").is_readable is is_readable


def test_critique_without_steps_is_not_readable() -> None:
    critique = parse_critique("Correctness of the final answer: Wrong\nExplanation: so", "1 + 2 = 3.")
    assert critique.final == "wrong"
    assert not critique.is_readable


def test_usages_of_no_calls_add_up_to_nothing() -> None:
    assert Usage.sum([]) == Usage()


def test_usages_add_up() -> None:
    usages = [Usage(calls=1, input_tokens=2, output_tokens=3), Usage(calls=1, unknown_calls=1)]
    assert Usage.sum(usages) == Usage(calls=2, unknown_calls=1, input_tokens=2, output_tokens=3)


SECOND = ReasoningPath(name="rg2-0.1", critique_number=1, strategy="rg2")


@pytest.mark.parametrize("unwritten", [set(), {"critique_number"}], ids=["now", "before"])
def test_path_is_read_with_the_number_of_its_critique(unwritten: set[str]) -> None:
    assert ReasoningPath.model_validate_json(json.dumps(SECOND.model_dump(exclude=unwritten))) == SECOND


@pytest.mark.parametrize(("name", "number"), [("rg2-0", 0), ("rg2-0.1", 1), ("rg2-0.12", 12)])
def test_critiques_of_a_path_share_its_name(name: str, number: int) -> None:
    path = ReasoningPath.model_validate({"name": name, "strategy": "rg2"})
    assert (path.critique_number, path.path_name) == (number, "rg2-0")


RESPONSES = st.none() | st.builds(
    lambda answer, reason: Response(text="t", answer=answer, call=Call(model="m", finish_reason=reason)),
    st.sampled_from(["3", None]),
    st.sampled_from(["stop", "length"]),
)


@given(RESPONSES, st.lists(st.tuples(RESPONSES, st.sampled_from([True, False, None])), max_size=5))
def test_latest_response_is_what_the_rounds_keep_one_after_the_other(
    first: Response | None, refinements: list[tuple[Response | None, bool | None]]
) -> None:
    rounds = tuple(
        Round(critique=Critique(text=""), call=Call(model="m"), refinement=each, is_preferred=is_preferred)
        for each, is_preferred in refinements
    )
    counts = first
    for turn in rounds:
        counts = turn.kept(counts)

    assert Chain(index=0, response=first, rounds=rounds).latest is counts
