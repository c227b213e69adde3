"""The loop as a whole, with scripted models: who is called, with what, and what comes out."""

import asyncio
from typing import Any

import pytest
from fakes import ScriptedModel, critique_text, reply, solution
from langchain_core.messages import AIMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt
from pydantic import ValidationError
from typing_extensions import TypedDict

from critique_graph.core.async_node import unwatched
from critique_graph.core.context import Context
from critique_graph.graphs.actor_critic import create_actor_critic

QUESTION = "Ann has 3 apples and buys 4 more. How many apples has she?"


def run(actor: ScriptedModel, critic: ScriptedModel, *, given: dict[str, Any] | None = None, **settings: Any) -> Any:
    graph = create_actor_critic(actor, critic, **settings).compile()
    return asyncio.run(graph.ainvoke({"question": QUESTION, **(given or {})}))


def test_answer_judged_correct_is_not_refined():
    actor, critic = ScriptedModel(replies=[solution(7)]), ScriptedModel(replies=[critique_text("Correct")])

    result = run(actor, critic)

    assert result["answer"] == "7"
    assert [chain["stop"] for chain in result["chains"]] == ["judged_correct"]
    assert len(actor.prompts) == 1


def test_answer_judged_wrong_is_refined_with_the_critique_and_the_refinement_stands():
    actor = ScriptedModel(replies=[solution(8), solution(7)])
    critic = ScriptedModel(replies=[critique_text("Wrong")])

    result = run(actor, critic)

    assert result["answer"] == "7"
    assert result["chains"][0]["rounds"][0]["refinement"]["answer"] == "7"
    assert actor.prompts[1][0] == actor.prompts[0][0], "the refine prompt extends the solve prompt"
    assert actor.prompts[1][1].text == solution(8)
    assert "<critique>\nStep 1 (3 + 4 = 7.) is wrong: because." in actor.texts[1]


def test_actor_is_told_the_critique_in_the_fixed_format_where_text_is_wanted():
    actor = ScriptedModel(replies=[solution(8), solution(7)])
    run(actor, ScriptedModel(replies=[critique_text("Wrong")]), critique_form="text")
    assert f"<critique>\n{critique_text('Wrong')}\n</critique>" in actor.texts[1]


def test_unparsed_critique_leaves_the_response_standing_and_is_recorded():
    actor, critic = ScriptedModel(replies=[solution(7)]), ScriptedModel(replies=["I like it."])

    result = run(actor, critic)

    assert result["answer"] == "7"
    assert result["chains"][0]["stop"] == "judged_unparsed"
    assert result["chains"][0]["rounds"][0]["critique"]["text"] == "I like it."


def test_truncated_critique_approves_nothing():
    cut_off = critique_text("Correct").rpartition("Correctness of the final answer")[0]

    result = run(ScriptedModel(replies=[solution(7)]), ScriptedModel(replies=[reply(cut_off, finish_reason="length")]))

    critique = result["chains"][0]["rounds"][0]["critique"]
    assert (critique["final"], result["chains"][0]["stop"]) == (None, "judged_unparsed")
    assert "truncated" in critique["warnings"]


def test_gate_always_refines_what_the_critic_calls_correct():
    actor = ScriptedModel(replies=[solution(7), solution(9)])

    result = run(actor, ScriptedModel(replies=[critique_text("Correct")]), gate="always")

    assert result["answer"] == "9"


def test_gate_oracle_critiques_only_what_the_reference_calls_wrong():
    actor, critic = ScriptedModel(replies=[solution(7)]), ScriptedModel()

    result = run(actor, critic, gate="oracle", given={"reference": "7"})

    assert result["chains"][0]["stop"] == "reference_correct"
    assert critic.prompts == []


def test_gate_oracle_without_a_reference_is_refused():
    with pytest.raises(ValueError, match="needs a reference answer"):
        run(ScriptedModel(replies=[solution(7)]), ScriptedModel(), gate="oracle")


@pytest.mark.parametrize("gate", ["when_wrong", "always", "oracle"])
def test_reference_reaches_no_prompt(gate: str):
    actor = ScriptedModel(replies=[solution(8), solution(9)])
    critic = ScriptedModel(replies=[critique_text("Wrong")])

    run(actor, critic, gate=gate, given={"reference": "70707"})

    prompts = [message.text for prompt in actor.prompts + critic.prompts for message in prompt]
    assert len(prompts) == 5
    assert not [prompt for prompt in prompts if "70707" in prompt]


def test_rounds_bound_the_loop():
    actor = ScriptedModel(answer=lambda messages: solution(8))
    critic = ScriptedModel(answer=lambda messages: critique_text("Wrong"))

    result = run(actor, critic, rounds=3)

    assert (len(actor.prompts), len(critic.prompts)) == (4, 3)
    assert result["chains"][0]["stop"] == "rounds"


def test_zero_rounds_is_plain_sampling():
    actor, critic = ScriptedModel(answer=lambda messages: solution(7)), ScriptedModel()

    result = run(actor, critic, rounds=0, samples=3)

    assert critic.prompts == []
    assert result["ballot"]["entries"] == [{"answer": "7", "weight": 3.0, "chains": [0, 1, 2]}]


def test_votes_that_weigh_verdicts_ask_for_one_on_the_refinement_too():
    actor = ScriptedModel(replies=[solution(8), solution(7)])
    critic = ScriptedModel(replies=[critique_text("Wrong"), critique_text("Correct")])

    result = run(actor, critic, vote="critic_filtered")

    assert len(critic.prompts) == 2
    assert result["chains"][0]["stop"] == "judged_correct"
    assert result["chains"][0]["rounds"][1]["refinement"] is None


def test_each_chain_samples_with_a_seed_of_its_own_and_the_same_seed_next_time():
    actors = [ScriptedModel(answer=lambda messages: solution(7)) for _ in range(2)]
    for actor in actors:
        run(actor, ScriptedModel(), rounds=0, samples=3, seed=5)

    seeds = [sorted(settings["seed"] for settings in actor.settings) for actor in actors]
    assert len(set(seeds[0])) == 3
    assert seeds[0] == seeds[1]


def test_failed_call_stops_its_own_chain_only():
    actor = ScriptedModel(replies=[ValueError("broken"), solution(7)])

    result = run(actor, ScriptedModel(), rounds=0, samples=2)

    assert [chain["stop"] for chain in result["chains"]] == ["failed", "rounds"]
    assert result["chains"][0]["failure"]["kind"] == "error"
    assert result["answer"] == "7"
    assert result["ballot"]["unparsed"] == [0]


def test_truncated_response_is_neither_critiqued_nor_counted():
    actor = ScriptedModel(replies=[reply(solution(7), finish_reason="length")])
    critic = ScriptedModel()

    result = run(actor, critic)

    assert (result["answer"], result["chains"][0]["stop"], critic.prompts) == (None, "truncated", [])


@pytest.mark.parametrize("text", ["<think>Seven.</think>", "[THINK]Seven.", "\u200b", "<|im_end|>", "so 7\n</think>"])
def test_response_without_text_is_a_failure_and_no_critic_is_asked(text: str):
    critic = ScriptedModel()

    result = run(ScriptedModel(replies=[text]), critic)

    chain = result["chains"][0]
    assert (chain["stop"], chain["failure"]["kind"], chain["failure"]["attempts"]) == ("failed", "empty_reply", 1)
    assert (result["answer"], critic.prompts) == (None, [])


def test_critique_without_text_is_unreadable_and_the_response_stands():
    result = run(ScriptedModel(replies=[solution(7)]), ScriptedModel(replies=["<think>Fine.</think>"]))

    assert (result["answer"], result["chains"][0]["stop"]) == ("7", "judged_unparsed")
    assert result["chains"][0]["rounds"][0]["call"]["reasoning"] == "Fine."


def test_truncated_refinement_leaves_the_first_response_standing():
    actor = ScriptedModel(replies=[solution(8), reply(solution(7), finish_reason="length")])

    result = run(actor, ScriptedModel(replies=[critique_text("Wrong")]))

    assert (result["answer"], result["chains"][0]["stop"]) == ("8", "truncated")


def test_refinement_without_an_answer_leaves_the_first_response_standing():
    actor = ScriptedModel(replies=[solution(8), "Step 1: I begin anew.", solution(7)])
    critic = ScriptedModel(answer=lambda messages: critique_text("Wrong"))

    once = run(actor, critic, rounds=1)
    assert once["answer"] == "8"
    assert once["changes"][0]["refinements"] == 0

    twice = run(ScriptedModel(replies=[solution(8), "Step 1: I begin anew.", solution(7)]), critic, rounds=2)
    assert twice["answer"] == "7"
    assert "8" in critic.texts[-1], "the second round judges the response that still counts"


def test_refinement_replaces_a_response_that_has_no_answer_either():
    actor = ScriptedModel(replies=["Step 1: I begin.", "Step 1: I begin anew."])
    result = run(actor, ScriptedModel(replies=[critique_text("Wrong")]), rounds=1)
    assert (result["answer"], result["changes"][0]["refinements"]) == (None, 1)


def test_token_budget_ends_the_loop_and_still_answers():
    actor = ScriptedModel(answer=lambda messages: solution(8))
    critic = ScriptedModel(answer=lambda messages: critique_text("Wrong"))

    result = run(actor, critic, rounds=10, token_budget=40)

    assert (result["answer"], result["chains"][0]["stop"]) == ("8", "budget")
    assert result["usage"]["total"]["calls"] == 3


def test_usage_is_told_by_role_and_unknown_usage_is_not_zero():
    actor = ScriptedModel(replies=[reply(solution(8), input_tokens=20, output_tokens=30), AIMessage(solution(7))])
    critic = ScriptedModel(replies=[reply(critique_text("Wrong"), input_tokens=50, output_tokens=60)])

    usage = run(actor, critic)["usage"]

    assert usage["actor"]["calls"], usage["actor"]["unknown_calls"] == (2, 1)
    assert (usage["actor"]["input_tokens"], usage["actor"]["output_tokens"]) == (20, 30)
    assert (usage["total"]["input_tokens"], usage["total"]["output_tokens"]) == (70, 90)


def test_every_response_is_graded_when_there_is_a_reference():
    actor = ScriptedModel(replies=[solution(8), solution("7.0")])

    result = run(actor, ScriptedModel(replies=[critique_text("Wrong")]), given={"reference": "7"})

    chain = result["chains"][0]
    outcomes = [chain["response"]["grade"]["outcome"], chain["rounds"][0]["refinement"]["grade"]["outcome"]]
    assert outcomes == ["incorrect", "correct"]
    assert result["correct"] is True


def test_reasoning_is_kept_apart_from_the_critique():
    critic = ScriptedModel(replies=[f"<think>Correctness of the final answer: Correct</think>{critique_text('Wrong')}"])

    result = run(ScriptedModel(replies=[solution(8), solution(7)]), critic)

    round_ = result["chains"][0]["rounds"][0]
    assert round_["critique"]["final"] == "wrong"
    assert round_["call"]["reasoning"] == "Correctness of the final answer: Correct"


def test_context_overrides_only_what_it_sets():
    actor = ScriptedModel(answer=lambda messages: solution(7))
    graph = create_actor_critic(actor, ScriptedModel(), rounds=0, samples=2).compile()

    result = asyncio.run(graph.ainvoke({"question": QUESTION}, context=Context(samples=5)))

    assert len(result["chains"]) == 5
    assert [chain["rounds"] for chain in result["chains"]] == [[]] * 5, "rounds=0 of the factory still holds"


def test_context_of_wrong_values_is_refused():
    graph = create_actor_critic(ScriptedModel(), ScriptedModel()).compile()
    with pytest.raises(ValidationError, match="samples"):
        graph.invoke({"question": QUESTION}, context={"samples": 0})


def test_settings_out_of_range_are_refused_by_the_factory():
    with pytest.raises(ValidationError, match="rounds"):
        create_actor_critic(rounds=-1)


def test_every_context_field_is_described_for_studio():
    schema = create_actor_critic(ScriptedModel(), ScriptedModel()).compile().get_context_jsonschema()

    assert [name for name, field in schema["properties"].items() if not field.get("description")] == []


def test_invoke_works_without_a_loop_and_inside_one():
    def make() -> Any:
        replies = [solution(8), solution(7)]
        return create_actor_critic(ScriptedModel(replies=replies), ScriptedModel(replies=[critique_text("Wrong")]))

    async def inside() -> Any:
        return make().compile().invoke({"question": QUESTION})

    assert make().compile().invoke({"question": QUESTION})["answer"] == "7"
    assert asyncio.run(inside())["answer"] == "7"


@pytest.mark.parametrize("mode", ["values", "updates", "custom", "messages", "tasks", "debug", "checkpoints"])
async def test_every_stream_mode_yields(mode: Any):
    actor = ScriptedModel(replies=[solution(8), solution(7)])
    graph = create_actor_critic(actor, ScriptedModel(replies=[critique_text("Wrong")]))
    config: Any = {"configurable": {"thread_id": "1"}}

    stream = graph.compile(checkpointer=InMemorySaver()).astream({"question": QUESTION}, config, stream_mode=mode)

    assert [part async for part in stream]


async def test_custom_events_tell_the_story_in_order():
    actor = ScriptedModel(replies=[solution(8), solution(7)])
    graph = create_actor_critic(actor, ScriptedModel(replies=[critique_text("Wrong")])).compile()

    events = [event["event"] async for event in graph.astream({"question": QUESTION}, stream_mode="custom")]

    assert events == ["response", "critique", "refinement", "ballot"]


async def test_no_events_are_sent_where_nobody_watches():
    actor = ScriptedModel(replies=[solution(8), solution(7)])
    graph = create_actor_critic(actor, ScriptedModel(replies=[critique_text("Wrong")])).compile()

    with unwatched():
        events = [event async for event in graph.astream({"question": QUESTION}, stream_mode="custom")]

    assert events == []


async def test_works_as_a_subgraph_over_the_same_keys():
    class Parent(TypedDict):
        question: str
        answer: str

    loop = create_actor_critic(ScriptedModel(replies=[solution(7)]), ScriptedModel(), rounds=0).compile()
    parent = StateGraph(Parent).add_node("loop", loop).add_edge(START, "loop").compile()

    assert (await parent.ainvoke({"question": QUESTION}))["answer"] == "7"


def test_interrupt_inside_a_critic_pauses_and_resumes():
    critic = ScriptedModel(answer=lambda messages: interrupt("judge this"))
    actor = ScriptedModel(replies=[solution(8), solution(7)])
    graph = create_actor_critic(actor, critic).compile(checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "1"}}

    paused = graph.invoke({"question": QUESTION}, config)
    assert paused["__interrupt__"][0].value == "judge this"

    assert graph.invoke(Command(resume=critique_text("Wrong")), config)["answer"] == "7"
    assert len(actor.prompts) == 2, "the first response was not sampled again"


def test_state_is_plain_json():
    import json

    actor = ScriptedModel(replies=[solution(8), solution(7)])
    result = run(actor, ScriptedModel(replies=[critique_text("Wrong")]), given={"reference": "7"})

    assert json.loads(json.dumps(result)) == result
