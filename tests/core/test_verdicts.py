"""One verdict of several critiques, and the critique that stands for them."""

import pytest

from critique_graph.core.schema import Call, Critique, Failure, Judgement, Response, Round, StepVerdict, Verdict
from critique_graph.core.verdicts import least_share, round_of, verdict_of

VERDICTS: dict[str, Verdict | None] = {"c": "correct", "w": "wrong", "?": None}
BROKEN = Failure(kind="timeout", message="no reply")


def judgement(letter: str, *, text: str = "", place: int | None = None) -> Judgement:
    """A critique by the first letter of its verdict; `place` is the step that it calls wrong."""
    steps = () if place is None else (StepVerdict(text="a step", verdict="wrong", step_index=place),)
    critique = Critique(
        text=text or letter, steps=steps, final=VERDICTS[letter], first_error=None if place is None else 0
    )
    return Judgement(critique=critique, call=Call(model="m"))


@pytest.mark.parametrize(
    ("rule", "wrong"),
    [
        ("any_wrong", {"w", "wc", "wcc", "wccc", "wwc", "www", "w?", "w??"}),
        ("majority", {"w", "wc", "wwc", "www", "w?", "w??"}),
        ("all_wrong", {"w", "www", "w?", "w??"}),
        ("threshold:0.3", {"w", "wc", "wcc", "wwc", "www", "w?", "w??"}),
        ("threshold:0.6", {"w", "wwc", "www", "w?", "w??"}),
        ("threshold:1", {"w", "www", "w?", "w??"}),
    ],
)
def test_table_of_the_rules(rule: str, wrong: set[str]):
    given = ["w", "c", "wc", "wcc", "wccc", "wwc", "www", "ccc", "w?", "w??", "c?"]
    found = {verdicts: verdict_of(map(VERDICTS.get, verdicts), rule) for verdicts in given}
    assert found == {verdicts: "wrong" if verdicts in wrong else "correct" for verdicts in given}


@pytest.mark.parametrize("verdicts", ["", "?", "???"])
def test_there_is_no_verdict_where_none_can_be_read(verdicts: str):
    assert verdict_of(map(VERDICTS.get, verdicts), "any_wrong") is None


def test_threshold_that_is_met_exactly_is_enough():
    assert verdict_of(["wrong"] * 7 + ["correct"] * 18, "threshold:0.28") == "wrong"


@pytest.mark.parametrize("rule", ["most", "threshold", "threshold:", "threshold:0", "threshold:1.1", "threshold:nan"])
def test_rule_that_is_none_is_named(rule: str):
    with pytest.raises(ValueError, match="agree must be any_wrong, majority"):
        least_share(rule)


def test_first_critique_that_finds_the_error_stands_for_those_that_say_wrong():
    given = [judgement("c"), judgement("w", text="vague"), judgement("w", place=1), judgement("w", place=0)]
    turn = round_of(given, "majority")
    assert (turn.critique, turn.call) == (given[2].critique, given[2].call)
    assert turn.others == (given[0], given[1], given[3])
    assert turn.judgements[1:] == turn.others


def test_first_critique_with_the_verdict_stands_where_none_finds_an_error():
    vague = [judgement("w", text="vague"), judgement("w", text="vaguer")]
    assert round_of(vague, "majority").critique.text == "vague"
    assert round_of([judgement("w", place=0), judgement("c"), judgement("c")], "majority").critique.text == "c"
    assert round_of([judgement("?", text="one"), judgement("?", text="two")], "majority").critique.text == "one"


@pytest.mark.parametrize(
    ("verdicts", "rule", "failures", "confidence", "approvals"),
    [
        ("w", "majority", 0, 1, 0),
        ("?", "majority", 0, 0, 0),
        ("wcc", "any_wrong", 0, 1 / 3, 2),
        ("wcc", "majority", 0, 2 / 3, 2),
        ("ww?", "majority", 0, 2 / 3, 0),
        ("ww", "majority", 2, 1 / 2, 0),
    ],
)
def test_confidence_is_the_share_of_all_critiques_asked_for(
    verdicts: str, rule: str, failures: int, confidence: float, approvals: int
):
    turn = round_of([judgement(letter) for letter in verdicts], rule, failures=[BROKEN] * failures)
    assert (turn.confidence, turn.approvals) == (pytest.approx(confidence), approvals)


def test_round_of_several_critiques_is_read_as_it_was_written():
    turn = round_of([judgement("w"), judgement("c"), judgement("w", place=0)], "majority", failures=[BROKEN])
    assert Round.model_validate_json(turn.model_dump_json()) == turn
    assert [given.critique.text for given in turn.others] == ["w", "c"]


def test_round_of_one_critique_is_written_as_before_there_were_several():
    refinement = Response(text="4", answer="4", call=Call(model="m"))
    turn = round_of([judgement("w")], "any_wrong").model_copy(update={"refinement": refinement})
    assert list(turn.model_dump()) == ["critique", "call", "refinement", "discarded", "is_edited"]
    assert Round.model_validate_json(turn.model_dump_json()) == turn
