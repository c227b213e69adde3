"""The graph that makes self-talk, with scripted models: repairs, what is given up on, and what a talk must keep."""

import asyncio
from collections.abc import Sequence
from typing import Any, ClassVar

import pytest
from fakes import ScriptedModel, critique_text, reply, solution
from pydantic import ValidationError

from critique_graph.graphs.self_talk import create_self_talk

QUESTION = "Ann has 3 apples and buys 4 more. Then she doubles them. How many apples has she?"
STEPS = ("3 + 4 = 7.", "7 * 2 = 14.")
RIGHT, WRONG = solution(14, *STEPS), solution(15, STEPS[0], "7 * 2 = 15.")
TALK = (
    "3 + 4 = 7.\nCorrect. because.\n7 * 2 = 15.\nWrong. because.\n7 * 2 = 14.\nCorrect. because.\n"
    "The answer is \\boxed{14}."
)


class Continuing(ScriptedModel):
    """A scripted model that can continue a message of its own."""

    continues_final_message: ClassVar[bool] = True


def judge(messages: Sequence[Any]) -> str:
    """Critique a response by its steps: only 14 is correct."""
    text = messages[-1].text.partition("<response>\n")[2].partition("\n</response>")[0]
    steps = [(line, "Wrong" if "15" in line else "Correct") for line in text.splitlines()[:-1]]
    return critique_text("Correct" if "{14}" in text else "Wrong", *steps)


def acting(first: str, *continuations: Any) -> Continuing:
    """An actor that writes `first`, then continues with each of the continuations in turn."""
    return Continuing(replies=[first, *continuations])


def talks(graph: Any, **given: Any) -> list[dict[str, Any]]:
    return made(graph, **given)["talks"]


def made(graph: Any, **given: Any) -> dict[str, Any]:
    state = {"question": QUESTION, "reference": "14", **given}
    return asyncio.run(graph.compile().ainvoke(state))


def test_wrong_path_is_cut_before_its_first_wrong_step_and_repaired_with_the_critique():
    actor = acting(WRONG, "\n7 * 2 = 14.\nThe answer is \\boxed{14}.")
    result = made(create_self_talk(actor, ScriptedModel(answer=judge), samples=1))
    (talk,) = result["talks"]
    assert (talk["drop"], talk["response"]["text"]) == (None, TALK)
    assert [turn.type for turn in actor.prompts[1]] == ["human", "ai", "human", "ai"]
    assert actor.prompts[1][-1].text == "3 + 4 = 7."
    assert "Step 2 (7 * 2 = 15.) is wrong: because." in actor.prompts[1][2].text
    assert actor.settings[1]["continue_final_message"]
    assert [settings["temperature"] for settings in actor.settings] == [1.0, 0.7]
    assert {role: used["calls"] for role, used in result["usage"].items()} == {"actor": 2, "critic": 2, "smoother": 0}


def test_right_path_becomes_a_talk_too():
    (talk,) = talks(create_self_talk(acting(RIGHT), ScriptedModel(answer=judge), samples=1))
    assert talk["drop"] is None
    assert talk["response"]["text"].count("Correct.") == 2


def test_model_that_cannot_continue_must_repeat_the_steps_before():
    for refinement, drop in ((RIGHT, None), (solution(14, "4 + 3 = 7.", STEPS[1]), "not_continued")):
        actor = ScriptedModel(replies=[WRONG, refinement])
        (talk,) = talks(create_self_talk(actor, ScriptedModel(answer=judge), samples=1))
        assert talk["drop"] == drop


SAME = "\n7 * 2 = 15.\nThe answer is \\boxed{15}."
APPROVING = ScriptedModel(answer=lambda messages: critique_text("Correct", (STEPS[0], "Correct")))


@pytest.mark.parametrize(
    ("actor", "critic", "drop"),
    [
        (acting(WRONG, SAME, SAME), ScriptedModel(answer=judge), "given_up"),
        (acting(WRONG), APPROVING, "answer_wrong"),
        (
            acting(RIGHT, "4 + 3 = 7.\n7 * 2 = 14.\nThe answer is \\boxed{14}."),
            ScriptedModel(
                replies=[critique_text("Wrong", (STEPS[0], "Wrong")), critique_text("Correct", (STEPS[1], "Correct"))]
            ),
            "false_alarm",
        ),
        (acting(WRONG), ScriptedModel(answer=lambda messages: "Lovely."), "unreadable"),
        (
            acting(WRONG),
            ScriptedModel(answer=lambda messages: critique_text("Wrong", ("9 - 1 = 8 boats", "Wrong"))),
            "unreadable",
        ),
        (
            acting("3 + 4 = 7.\n7 * 2 = 15."),
            ScriptedModel(answer=lambda messages: critique_text("Wrong", (STEPS[0], "Correct"))),
            "not_located",
        ),
        (acting(reply(WRONG, finish_reason="length")), ScriptedModel(answer=judge), "truncated"),
        (acting(WRONG, reply("\n7 *", finish_reason="length")), ScriptedModel(answer=judge), "truncated"),
        (acting(WRONG, ValueError("gone")), ScriptedModel(answer=judge), "failed"),
    ],
    ids=["given up", "missed", "false alarm", "unparsed", "not aligned", "not located", "cut off", "repair cut off",
         "failed"],
)  # fmt: skip
def test_path_that_does_not_come_right_is_dropped_for_its_reason(actor: Any, critic: Any, drop: str):
    (talk,) = talks(create_self_talk(actor, critic, samples=1, repairs=2))
    assert (talk["drop"], talk["response"]) == (drop, None)
    assert (talk["failure"] is not None) == (drop == "failed")


def test_same_talk_is_told_once():
    made_talks = talks(
        create_self_talk(Continuing(answer=lambda messages: RIGHT), ScriptedModel(answer=judge), samples=3)
    )
    assert [talk["drop"] for talk in made_talks] == [None, "duplicate", "duplicate"]


SMOOTH = "Let me see: 3 + 4 = 7.\nThen 7 * 2 = 15.\nWait, twice seven is less: 7 * 2 = 14.\nThe answer is \\boxed{14}."


@pytest.mark.parametrize(
    ("text", "drop"),
    [
        (SMOOTH, None),
        (SMOOTH.replace("{14}", "{15}"), "answer_lost"),
        (SMOOTH.replace("The answer is \\boxed{14}.", "Done."), "answer_lost"),
        (SMOOTH.replace("Then 7 * 2 = 15.\n", ""), "step_lost"),
        (reply(SMOOTH, finish_reason="length"), "truncated"),
        (ValueError("gone"), "failed"),
    ],
    ids=["kept", "other answer", "no answer", "mistake left out", "cut off", "failed"],
)
def test_smoothed_talk_must_keep_its_answer_and_every_step(text: Any, drop: str | None):
    actor, smoother = acting(WRONG, "\n7 * 2 = 14.\nThe answer is \\boxed{14}."), ScriptedModel(replies=[text])
    (talk,) = talks(create_self_talk(actor, ScriptedModel(answer=judge), smoother, samples=1))
    assert talk["drop"] == drop
    assert f"<response>\n{TALK}\n</response>" in smoother.texts[0]


def test_reference_is_in_no_prompt():
    models = [
        acting(WRONG, "\n7 * 2 = 14.\nThe answer is \\boxed{14}."),
        ScriptedModel(answer=judge),
        ScriptedModel(replies=[SMOOTH]),
    ]
    (talk,) = talks(create_self_talk(*models, samples=1), reference="14.000")
    assert talk["drop"] is None
    assert not any("14.000" in turn.text for model in models for prompt in model.prompts for turn in prompt)


def test_without_a_reference_the_critics_word_counts():
    (talk,) = talks(create_self_talk(acting(WRONG), APPROVING, samples=1), reference=None)
    assert (talk["drop"], talk["response"]["grade"]) == (None, None)


def test_setting_out_of_range_is_refused():
    with pytest.raises(ValidationError, match="repairs"):
        create_self_talk(repairs=0)
