"""The critic's practice: which tries there are, and when they end."""

import asyncio
from typing import Any

import pytest
from fakes import ScriptedModel, critique_text, solution

from critique_graph.graphs.practice import create_practice

RIGHT, WRONG = solution(7), solution(8, "3 + 4 = 8.")
AGREES, OBJECTS = critique_text("Correct"), critique_text("Wrong")
FINDS, PASSES = critique_text("Wrong", ("3 + 4 = 8.", "Wrong")), critique_text("Correct", ("3 + 4 = 8.", "Correct"))


def practised(
    critic: ScriptedModel,
    *responses: str,
    actor: ScriptedModel | None = None,
    tries: int = 3,
    reference: str | None = "7",
) -> list[dict[str, Any]]:
    graph = create_practice(
        actor, critic, tries=tries, temperature=0.7, max_tokens=64, critic_max_tokens=64, seed=0
    ).compile()
    given = {"question": "What is 3 + 4?", "reference": reference, "responses": list(responses)}
    return list(asyncio.run(graph.ainvoke(given))["chains"])


def test_correct_response_is_judged_until_the_critic_agrees_and_never_refined() -> None:
    actor, critic = ScriptedModel(), ScriptedModel(replies=[OBJECTS, AGREES, AGREES])
    chains = practised(critic, RIGHT, actor=actor)
    assert [chain["rounds"][0]["critique"]["final"] for chain in chains] == ["wrong", "correct"]
    assert actor.prompts == []


def test_wrong_response_is_judged_until_a_refinement_is_correct() -> None:
    actor = ScriptedModel(replies=[WRONG, RIGHT])
    critic = ScriptedModel(replies=[PASSES, FINDS, FINDS, FINDS])
    chains = practised(critic, WRONG, actor=actor, tries=4)
    refined = [chain["rounds"][0]["refinement"] for chain in chains]
    assert [each and each["grade"]["outcome"] for each in refined] == [None, "incorrect", "correct"]


def test_critique_that_cannot_be_read_is_not_worth_learning() -> None:
    chains = practised(ScriptedModel(replies=["Fine.", AGREES]), RIGHT, actor=ScriptedModel())
    assert len(chains) == 2


def test_there_are_no_more_tries_than_asked_for() -> None:
    critic = ScriptedModel(replies=[OBJECTS] * 3)
    assert len(practised(critic, RIGHT, actor=ScriptedModel(), tries=2)) == 2
    assert len(critic.prompts) == 2


def test_every_try_has_a_chain_of_its_own_and_another_seed() -> None:
    critic = ScriptedModel(answer=lambda messages: PASSES)
    chains = practised(critic, WRONG, solution(9, "3 + 4 = 9."), actor=ScriptedModel(), tries=2)
    assert [chain["index"] for chain in chains] == [0, 1, 2, 3]
    assert len({settings["seed"] for settings in critic.settings}) == 4


def test_without_an_actor_the_verdict_alone_decides() -> None:
    (chain,) = practised(ScriptedModel(replies=[FINDS]), WRONG)
    assert chain["rounds"][0]["refinement"] is None
    assert chain["response"]["grade"]["outcome"] == "incorrect"


def test_call_that_fails_ends_the_tries() -> None:
    (chain,) = practised(ScriptedModel(replies=[ValueError("out of order")]), RIGHT, actor=ScriptedModel())
    assert (chain["stop"], chain["failure"]["kind"]) == ("failed", "error")


def test_reference_is_needed_and_in_no_prompt() -> None:
    critic = ScriptedModel(replies=[FINDS])
    practised(critic, WRONG, reference="4242")
    assert "4242" not in "".join(message.text for message in critic.prompts[0])
    with pytest.raises(ValueError, match="practice needs a reference answer"):
        practised(critic, WRONG, reference=None)
