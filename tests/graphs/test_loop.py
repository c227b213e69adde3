"""A recursion limit that is too low for all rounds ends them early, with what was done, and says so."""

import asyncio
import logging
from typing import Any

import pytest
from fakes import ScriptedModel, critique_text, solution
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt

from critique_graph.core.state import ActorCriticInput, ActorCriticOutput
from critique_graph.graphs.actor_critic import create_actor_critic
from critique_graph.graphs.comparison_pool import create_pool
from critique_graph.graphs.exploration import create_exploration
from critique_graph.graphs.self_talk import create_self_talk

ASKED = {"question": "What is 3 + 4?", "reference": "7"}


def models() -> tuple[ScriptedModel, ScriptedModel]:
    """An actor that answers 1, 2, 3 …, and a critic that is never content."""
    answers = iter(range(1, 1000))
    actor = ScriptedModel(answer=lambda messages: solution(next(answers)))
    return actor, ScriptedModel(answer=lambda messages: critique_text("Wrong"))


def steps_taken(limit: int, rounds: int) -> list[str]:
    graph = create_actor_critic(*models(), rounds=rounds).compile()
    updates = graph.stream(ASKED, {"recursion_limit": limit}, stream_mode="updates")
    return [node for update in updates for node in update]


@pytest.mark.parametrize(
    ("limit", "rounds_done", "stop"),
    [
        (3, 0, "recursion_limit"),
        (4, 1, "recursion_limit"),
        (5, 1, "recursion_limit"),
        (6, 2, "recursion_limit"),
        (25, 11, "recursion_limit"),
        (42, 20, "recursion_limit"),
        (43, 20, "rounds"),
        (10_000, 20, "rounds"),
    ],
)
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_rounds_are_kept_up_to_the_limit(
    limit: int, rounds_done: int, stop: str, is_async: bool, caplog: pytest.LogCaptureFixture
):
    graph = create_actor_critic(*models(), rounds=20).compile()
    config: Any = {"recursion_limit": limit}

    result = asyncio.run(graph.ainvoke(ASKED, config)) if is_async else graph.invoke(ASKED, config)

    (chain,) = result["chains"]
    assert (len(chain["rounds"]), chain["stop"], chain["failure"]) == (rounds_done, stop, None)
    latest = [chain["response"], *(round_["refinement"] for round_ in chain["rounds"])]
    assert result["answer"] == [response["answer"] for response in latest if response is not None][-1]
    assert ("recursion limit" in caplog.text) is (stop == "recursion_limit")


@pytest.mark.parametrize("limit", [3, 4, 5, 6, 24, 25, 42, 43, 44])
def test_every_super_step_that_the_limit_leaves_is_used(limit: int):
    steps = steps_taken(limit, rounds=20)

    assert len(steps) == min(limit - 1, 42), "a graph of n super-steps needs the limit n + 1"
    assert steps[-1] == "vote"


def test_chains_that_have_stopped_keep_their_reason_and_the_warning_counts_the_others(
    caplog: pytest.LogCaptureFixture,
):
    actor, _ = models()
    critic = ScriptedModel(answer=lambda messages: critique_text("Correct" if "{1}" in messages[0].text else "Wrong"))
    graph = create_actor_critic(actor, critic, samples=3, rounds=9).compile()

    with caplog.at_level(logging.WARNING):
        result = graph.invoke(ASKED, {"recursion_limit": 6})

    stops = sorted(chain["stop"] for chain in result["chains"])
    assert stops == ["judged_correct", "recursion_limit", "recursion_limit"]
    (record,) = caplog.records
    assert "2 of 3 chains stop early. Each round takes two; set a higher recursion_limit" in record.message


@pytest.mark.parametrize("vote", ["majority", "critic_weighted", "critic_filtered", "first", "final"])
def test_every_vote_answers_at_the_limit(vote: Any):
    graph = create_actor_critic(*models(), samples=2, rounds=9, vote=vote).compile()

    assert graph.invoke(ASKED, {"recursion_limit": 7})["answer"] is not None


def test_other_graphs_with_rounds_end_with_what_they_have():
    config: Any = {"recursion_limit": 6}
    settings: Any = {"temperature": 0.0, "max_tokens": 9, "critic_max_tokens": 9, "seed": 0}

    (talk,) = create_self_talk(*models(), samples=1, repairs=9).compile().invoke(ASKED, config)["talks"]
    pool = create_pool(*models(), rounds=9).compile().invoke(ASKED, config)
    exploration = create_exploration(*models(), samples=1, refinements=2, **settings).compile()

    assert (talk["chain"]["stop"], talk["drop"]) == ("recursion_limit", "given_up")
    assert (pool["chains"][0]["stop"], pool["greedy"]["answer"] is not None) == ("recursion_limit", True)
    assert exploration.invoke(ASKED, {"recursion_limit": 5})["chains"][0]["stop"] == "rounds"
    assert exploration.invoke(ASKED, {"recursion_limit": 4})["chains"][0]["stop"] == "recursion_limit"


def test_limit_of_a_parent_holds_inside_it():
    parent = StateGraph(ActorCriticInput, output_schema=ActorCriticOutput)
    parent.add_node("loop", create_actor_critic(*models(), rounds=20).compile())
    parent.add_edge(START, "loop")

    result = parent.compile().invoke(ASKED, {"recursion_limit": 6})

    assert (result["chains"][0]["stop"], result["answer"]) == ("recursion_limit", "2")


def test_person_who_is_waited_for_gets_the_whole_limit_again():
    critic = ScriptedModel(answer=lambda messages: interrupt("judge this"))
    graph = create_actor_critic(models()[0], critic, rounds=3).compile(checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "1"}, "recursion_limit": 4}

    graph.invoke(ASKED, config)
    graph.invoke(Command(resume=critique_text("Wrong")), config)
    graph.invoke(Command(resume=critique_text("Wrong")), config)
    result = graph.invoke(Command(resume=critique_text("Wrong")), config)

    assert (len(result["chains"][0]["rounds"]), result["chains"][0]["stop"]) == (3, "rounds")


async def test_events_say_which_chains_stop_early():
    graph = create_actor_critic(*models(), rounds=9).compile()

    stream = graph.astream(ASKED, {"recursion_limit": 4}, stream_mode="custom")

    assert {"event": "out_of_steps", "chains": [0]} in [event async for event in stream]
