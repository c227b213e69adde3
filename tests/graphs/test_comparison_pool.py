from collections.abc import Sequence

from fakes import ScriptedModel, critique_text, reply, solution
from langchain_core.messages import BaseMessage

from critique_graph.core.schema import Response
from critique_graph.graphs.comparison_pool import create_pool
from critique_graph.nodes.refine import refine_messages

QUESTION = "What is 3 + 4?"


def right(messages: Sequence[BaseMessage]) -> str:
    return critique_text("Correct") if "Check the response" in messages[-1].text else solution(7)


async def test_everything_is_refined_with_and_without_its_critique_from_one_seed():
    model = ScriptedModel(answer=right)
    graph = create_pool(model, model, samples=2, rounds=1, gate="when_wrong").compile()

    result = await graph.ainvoke({"question": QUESTION, "reference": "7"})

    assert [len(chain["rounds"]) for chain in result["chains"]] == [1, 1]
    refinements = [chain["rounds"][0]["refinement"] for chain in result["chains"]]
    retries = [Response.model_validate(retry) for retry in result["retries"]]
    assert [retry.call.seed for retry in retries] == [refinement["call"]["seed"] for refinement in refinements]
    assert all(retry.grade and retry.grade.is_correct for retry in retries)
    without = refine_messages(QUESTION, solution(7), "")[-1].text
    assert model.texts.count(without) == 2


async def test_more_votes_are_sampled_as_more_chains_would_be():
    model = ScriptedModel(answer=right)
    given = {"question": QUESTION, "reference": "7"}
    few = await create_pool(model, model, samples=2, votes=3).compile().ainvoke(given)
    many = await create_pool(model, model, samples=3).compile().ainvoke(given)

    assert [response["call"]["seed"] for response in few["uncritiqued"]] == [
        many["chains"][2]["response"]["call"]["seed"]
    ]
    assert many["uncritiqued"] == []


async def test_greedy_response_is_drawn_at_temperature_zero():
    model = ScriptedModel(answer=right)
    result = await create_pool(model, model, samples=2).compile().ainvoke({"question": QUESTION, "reference": "7"})

    seed = result["greedy"]["call"]["seed"]
    assert [given["temperature"] for given in model.settings if given["seed"] == seed] == [0.0]


async def test_usage_holds_every_call_once():
    model = ScriptedModel(answer=right)
    result = await create_pool(model, model, samples=2).compile().ainvoke({"question": QUESTION, "reference": "7"})

    # two responses, refinements, retries and a greedy response; two critiques
    assert {role: usage["calls"] for role, usage in result["usage"].items()} == {"actor": 7, "critic": 2, "total": 9}


async def test_cut_off_response_has_no_retry():
    model = ScriptedModel(answer=lambda messages: reply("3 + 4", finish_reason="length"))
    result = await create_pool(model, model, samples=2).compile().ainvoke({"question": QUESTION, "reference": "7"})

    assert result["retries"] == [None, None]
