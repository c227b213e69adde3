"""Refinements sampled until one is correct."""

import asyncio
from typing import Any

import pytest
from fakes import ScriptedModel, critique_text, solution

from critique_graph.graphs.exploration import create_exploration

WRONG = solution(8, "3 + 4 = 8.")
LONG = solution(9, "1 + 2 = 3.", "3 + 4 = 8.")


def explored(actor: ScriptedModel, *, reference: str | None = "7", refinements: int = 3) -> Any:
    critic = ScriptedModel(replies=[critique_text("Wrong")] * 2)
    graph = create_exploration(
        actor,
        critic,
        samples=1,
        refinements=refinements,
        temperature=0.7,
        max_tokens=64,
        critic_max_tokens=64,
        seed=0,
    ).compile()
    return asyncio.run(graph.ainvoke({"question": "What is 3 + 4?", "reference": reference}))["chains"][0]


def test_first_right_refinement_is_kept_and_no_more_are_drawn() -> None:
    actor = ScriptedModel(replies=[WRONG, WRONG, solution(7), solution(7)])
    (kept,) = explored(actor)["rounds"]
    assert kept["refinement"]["text"] == solution(7)
    assert [response["text"] for response in kept["discarded"]] == [WRONG]
    assert len(actor.prompts) == 3


def test_every_draw_sees_the_same_prompt_with_another_seed() -> None:
    actor = ScriptedModel(replies=[WRONG] * 4)
    explored(actor)
    assert actor.prompts[1] == actor.prompts[2] == actor.prompts[3]
    assert len({settings["seed"] for settings in actor.settings}) == 4


def test_no_more_are_drawn_than_asked_for_and_the_last_stands() -> None:
    actor = ScriptedModel(replies=[WRONG] * 3)
    chain = explored(actor, refinements=2)
    assert (chain["stop"], len(chain["rounds"][0]["discarded"])) == ("rounds", 1)
    assert chain["rounds"][0]["refinement"]["grade"]["outcome"] == "incorrect"


def test_answer_that_is_not_worked_out_does_not_end_the_drawing() -> None:
    shortcut = "The answer is \\boxed{7}."
    worked_out = solution(7, "1 + 2 = 3.", "3 + 4 = 7.")
    (kept,) = explored(ScriptedModel(replies=[LONG, shortcut, worked_out]))["rounds"]
    assert kept["refinement"]["text"] == worked_out


def test_right_response_is_neither_critiqued_nor_refined() -> None:
    actor = ScriptedModel(replies=[solution(7)])
    assert explored(actor)["rounds"] == []


def test_reference_is_in_no_prompt() -> None:
    actor = ScriptedModel(replies=[WRONG] * 4)
    explored(actor, reference="4711")
    assert not any("4711" in text for text in actor.texts)


def test_failed_refinement_is_data() -> None:
    chain = explored(ScriptedModel(replies=[WRONG, ValueError("no")]))
    assert (chain["stop"], chain["failure"]["kind"]) == ("failed", "error")


def test_problem_without_a_reference_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a reference"):
        explored(ScriptedModel(replies=[WRONG]), reference=None)
