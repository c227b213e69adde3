"""Several critiques of a response, abstention, and originals that are kept, in the loop with scripted models."""

import asyncio
import json
from typing import Any

import pytest
from fakes import ScriptedModel, critique_text, reply, solution

from critique_graph.calls.caller import CallKey
from critique_graph.core.schema import Chain, Reply
from critique_graph.graphs.actor_critic import create_actor_critic
from critique_graph.nodes import ask_critique, critique
from critique_graph.solve.settings import RunSettings

QUESTION = "Ann has 3 apples and buys 4 more. How many apples has she?"
RIGHT, WRONG, UNREADABLE = critique_text("Correct"), critique_text("Wrong"), "I like it."
VAGUE = "Correctness of the final answer: Wrong\nExplanation: no."
FAILED = ValueError("broken")


class Log:
    """A journal in memory."""

    def __init__(self) -> None:
        self.replies: dict[CallKey, Reply] = {}

    def recall(self, key: CallKey) -> Reply | None:
        return self.replies.get(key)

    def record(self, key: CallKey, reply: Reply) -> None:
        self.replies[key] = reply


@pytest.fixture(autouse=True)
def nothing_said_yet():
    """What is said once a process is said anew in every test."""
    ask_critique._warn_about_copies.cache_clear()
    critique._say_temperature.cache_clear()


def play(answers: list[Any], judged: list[Any], **settings: Any) -> tuple[Any, ScriptedModel, ScriptedModel]:
    actor, critic = ScriptedModel(replies=answers), ScriptedModel(replies=judged)
    settings = {"critiques": len(judged), "critic_temperature": 1.0, **settings}
    graph = create_actor_critic(actor, critic, **settings).compile()
    return asyncio.run(graph.ainvoke({"question": QUESTION, "reference": "7"})), actor, critic


@pytest.mark.parametrize(
    ("agree", "critiques", "stop"),
    [
        ("any_wrong", [RIGHT, RIGHT, WRONG], "rounds"),
        ("majority", [RIGHT, RIGHT, WRONG], "judged_correct"),
        ("majority", [RIGHT, WRONG], "rounds"),
        ("all_wrong", [RIGHT, WRONG, WRONG], "judged_correct"),
        ("threshold:0.6", [RIGHT, WRONG, WRONG], "rounds"),
        ("threshold:0.7", [RIGHT, WRONG, WRONG], "judged_correct"),
        ("all_wrong", [UNREADABLE, WRONG, FAILED], "rounds"),
        ("any_wrong", [UNREADABLE, RIGHT, FAILED], "judged_correct"),
        ("any_wrong", [UNREADABLE, UNREADABLE, FAILED], "judged_unparsed"),
    ],
)
def test_rule_says_which_responses_are_refined(agree: str, critiques: list[Any], stop: str):
    result, actor, _ = play([solution(8), solution(7)], critiques, agree=agree)
    assert result["chains"][0]["stop"] == stop
    assert len(actor.prompts) == (2 if stop == "rounds" else 1)


def test_refinement_sees_the_first_critique_that_finds_the_error_and_the_trace_has_all():
    result, actor, _ = play([solution(8), solution(7)], [RIGHT, VAGUE, WRONG, WRONG])
    (turn,) = result["chains"][0]["rounds"]
    assert (turn["critique"]["text"], [given["critique"]["text"] for given in turn["others"]]) == (
        WRONG,
        [RIGHT, VAGUE, WRONG],
    )
    assert "(3 + 4 = 7.) is wrong: because." in actor.texts[1]
    assert (result["answer"], result["changes"][0]["critiques"]) == ("7", 1)


def test_every_critique_is_a_call_with_a_seed_and_a_cost_of_its_own():
    result, _, critic = play([solution(8), solution(7)], [reply(WRONG), reply(WRONG), reply(RIGHT)])
    assert len({settings["seed"] for settings in critic.settings}) == 3
    assert result["usage"]["critic"] == {**result["usage"]["critic"], "calls": 3, "input_tokens": 30}
    assert [critic.texts[0]] * 3 == critic.texts


def test_first_of_several_critiques_has_the_seed_of_one_alone():
    _, _, alone = play([solution(7)], [RIGHT])
    _, _, several = play([solution(7)], [RIGHT, RIGHT])
    assert several.settings[0]["seed"] == alone.settings[0]["seed"] != several.settings[1]["seed"]


def test_failed_critique_is_a_record_and_the_rule_works_on_the_rest():
    result, _, _ = play([solution(8), solution(7)], [FAILED, WRONG, RIGHT])
    (chain,) = result["chains"]
    (turn,) = chain["rounds"]
    assert [failure["kind"] for failure in turn["failures"]] == ["error"]
    assert (chain["failure"], len(turn["others"]), result["answer"]) == (None, 1, "7")


def test_critiques_that_all_failed_end_the_chain_as_one_does():
    result, _, _ = play([solution(8)], [FAILED, ValueError("broken too")])
    (chain,) = result["chains"]
    assert (chain["stop"], chain["failure"]["kind"], chain["rounds"]) == ("failed", "error", [])


def test_one_critique_leaves_the_state_as_it_was():
    result, _, critic = play([solution(8), solution(7)], [WRONG], critic_temperature=0.0)
    (turn,) = result["chains"][0]["rounds"]
    assert set(turn) == {"critique", "call", "refinement", "discarded", "is_edited"}
    assert critic.settings[0]["temperature"] == 0.0


def test_greedy_critic_is_heated_and_it_is_said_once(caplog: pytest.LogCaptureFixture):
    for _ in range(2):
        _, _, critic = play([solution(7)], [RIGHT, WRONG.replace("Wrong", "Correct") + " Yes."], critic_temperature=0.0)
    assert [settings["temperature"] for settings in critic.settings] == [0.7, 0.7]
    assert caplog.messages == [
        "Several critiques at a critic_temperature of 0 would be copies of one: they are asked for at 0.7."
    ]


@pytest.mark.parametrize(("critiques", "are_said"), [([RIGHT, RIGHT], True), ([RIGHT, WRONG], False), ([RIGHT], False)])
def test_copies_are_warned_about_once(critiques: list[str], are_said: bool, caplog: pytest.LogCaptureFixture):
    for _ in range(2):
        play([solution(8), solution(7)], list(critiques))
    assert ["all critiques of a response are the same text" in message for message in caplog.messages] == [
        True
    ] * are_said


@pytest.mark.parametrize(
    ("critiques", "least", "stop"),
    [
        ([WRONG, WRONG, RIGHT], 0.6, "rounds"),
        ([WRONG, WRONG, RIGHT], 0.7, "abstained"),
        ([WRONG, WRONG, UNREADABLE], 0.7, "abstained"),
        ([WRONG, WRONG, FAILED], 0.7, "abstained"),
        ([WRONG, RIGHT], 0.5, "rounds"),
        ([WRONG, RIGHT, RIGHT], 0.7, "judged_correct"),
    ],
)
def test_verdict_that_too_few_share_leads_to_no_refinement(critiques: list[Any], least: float, stop: str):
    result, actor, _ = play([solution(8), solution(7)], critiques, abstain_below=least)
    assert (result["chains"][0]["stop"], len(actor.prompts)) == (stop, 2 if stop == "rounds" else 1)


def test_abstention_of_one_critique_is_refused_where_it_is_set():
    with pytest.raises(ValueError, match="abstain_below needs several critiques"):
        RunSettings(abstain_below=0.5)


@pytest.mark.parametrize(
    ("before", "after", "answer", "stop"),
    [
        ([WRONG], [RIGHT], "7", "judged_correct"),
        ([WRONG], [WRONG], "8", "kept_original"),
        ([WRONG], [UNREADABLE], "8", "kept_original"),
        ([WRONG, WRONG, RIGHT], [RIGHT, RIGHT, WRONG], "7", "judged_correct"),
        ([WRONG, WRONG, RIGHT], [WRONG, WRONG, RIGHT], "8", "kept_original"),
        ([WRONG, WRONG, WRONG], [WRONG, WRONG, RIGHT], "7", "rounds"),
    ],
)
def test_refinement_counts_only_if_more_critiques_call_it_correct(
    before: list[Any], after: list[Any], answer: str, stop: str
):
    settings = {"critiques": len(before), "keep_original": True}
    result, _, critic = play([solution(8), solution(7)], before + after, **settings)
    assert (result["answer"], result["chains"][0]["stop"]) == (answer, stop)
    assert "is \\boxed{7}" in critic.texts[-1], "the refinement is what is judged"
    assert result["changes"][0]["refinements"] == (answer == "7")


def test_chain_that_kept_its_original_has_the_verdict_on_it():
    result, _, _ = play([solution(8), solution(7)], [WRONG, UNREADABLE], critiques=1, keep_original=True)
    chain = Chain.model_validate(result["chains"][0])
    assert (chain.verdict, chain.latest) == ("wrong", chain.response)


def test_chain_goes_on_from_a_refinement_that_counts():
    answers = [solution(8), solution(9), solution(7)]
    judged = [WRONG, WRONG, WRONG, RIGHT, WRONG, WRONG]
    result, actor, _ = play(answers, judged, critiques=2, keep_original=True, rounds=2)
    assert [turn.get("is_preferred") for turn in result["chains"][0]["rounds"]] == [True, False, None]
    assert (result["answer"], actor.prompts[2][1].text) == ("9", solution(9))


def test_refinement_that_cannot_be_judged_does_not_count():
    failed, _, _ = play([solution(8), solution(7)], [WRONG, FAILED], critiques=1, keep_original=True)
    assert (failed["answer"], failed["chains"][0]["stop"]) == ("8", "failed")
    unpaid, _, _ = play([solution(8), solution(7)], [WRONG], keep_original=True, token_budget=40)
    assert (unpaid["answer"], unpaid["chains"][0]["stop"]) == ("8", "budget")
    wordless, _, _ = play([solution(8), "Hm."], [WRONG, WRONG], critiques=1, keep_original=True)
    assert (wordless["answer"], wordless["chains"][0]["stop"]) == ("8", "rounds")


def test_reference_prefers_a_refinement_under_the_oracle_gate():
    result, _, critic = play([solution(8), solution(7)], [WRONG], keep_original=True, gate="oracle")
    assert (result["answer"], result["chains"][0]["stop"], len(critic.prompts)) == ("7", "reference_correct", 1)


def test_bare_original_that_was_kept_votes_where_bare_refinements_may_not():
    settings = {"critiques": 1, "keep_original": True, "vote_bare": False}
    result, _, _ = play([solution(8), solution(7)], [WRONG, WRONG], **settings)
    assert result["answer"] == "8"


def test_finished_critiques_are_not_asked_for_again():
    log, settings = Log(), {"critiques": 3, "critic_temperature": 1.0}
    actor = ScriptedModel(replies=[solution(8), FAILED])
    broken = create_actor_critic(actor, ScriptedModel(replies=[RIGHT, WRONG, FAILED]), log=log, **settings).compile()
    asyncio.run(broken.ainvoke({"question": QUESTION}))
    actor, critic = ScriptedModel(replies=[solution(7)]), ScriptedModel(replies=[WRONG])
    resumed = create_actor_critic(actor, critic, log=log, **settings).compile()
    result = asyncio.run(resumed.ainvoke({"question": QUESTION}))
    assert (result["answer"], len(actor.prompts), len(critic.prompts)) == ("7", 1, 1)
    assert len(result["chains"][0]["rounds"][0]["others"]) == 2


def test_events_tell_every_critique_and_the_verdict():
    actor, critic = ScriptedModel(replies=[solution(7)]), ScriptedModel(replies=[RIGHT, WRONG, RIGHT])
    graph = create_actor_critic(actor, critic, critiques=3, critic_temperature=1.0).compile()
    events = list(graph.stream({"question": QUESTION}, stream_mode="custom"))
    assert [event["event"] for event in events] == ["response", *["critique"] * 3, "verdict", "ballot"]
    assert events[4] == {"event": "verdict", "chain": 0, "round": 1, "verdict": "correct", "confidence": 0.6667}


def test_state_is_plain_json():
    result, _, _ = play([solution(8), solution(7)], [WRONG, RIGHT, FAILED], keep_original=False)
    assert json.loads(json.dumps(result)) == result
