"""The loop in a conversation: messages in, messages out."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from fakes import ScriptedModel, critique_text, reply, solution
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langgraph.checkpoint.memory import InMemorySaver

from critique_graph import create_ask, create_chat

QUESTION = "Ann has 3 apples and buys 4 more. How many apples has she?"


def say(actor: ScriptedModel, critic: ScriptedModel, *messages: Any, **settings: Any) -> Any:
    graph = create_chat(actor, critic, **settings).compile()
    return asyncio.run(graph.ainvoke({"messages": list(messages) or [HumanMessage(QUESTION)]}))


def found(result: Any) -> dict[str, Any]:
    return result["messages"][-1].additional_kwargs["critique_graph"]


def test_answer_is_the_refined_response_with_what_the_critic_said():
    actor = ScriptedModel(replies=[solution(8), solution(7)])
    result = say(actor, ScriptedModel(replies=[critique_text("Wrong")]))
    assert list(result) == ["messages"]
    question, answer = result["messages"]
    assert (question.text, answer.text) == (QUESTION, solution(7))
    assert isinstance(answer, AIMessage)
    told = found(result)
    assert (told["answer"], told["verdict"], told["verdicts"], told["is_refined"]) == ("7", None, ["wrong"], True)
    assert told["correct"] is None, "there is no reference"


def test_usage_is_that_of_all_calls():
    actor = ScriptedModel(replies=[solution(8), solution(7)])
    result = say(actor, ScriptedModel(replies=[critique_text("Wrong")]))
    by_role = found(result)["usage"]
    assert (by_role["actor"]["calls"], by_role["critic"]["calls"]) == (2, 1)
    used = result["messages"][-1].usage_metadata
    assert used["total_tokens"] == sum(by_role["total"][name] for name in ("input_tokens", "output_tokens"))


def test_reference_in_the_question_is_graded_and_reaches_no_prompt():
    actor, critic = ScriptedModel(replies=[solution(7)]), ScriptedModel(replies=[critique_text("Correct")])
    result = say(actor, critic, HumanMessage(QUESTION, additional_kwargs={"reference": 7041}))
    assert found(result)["correct"] is False
    assert not any("7041" in text for text in [*actor.texts, *critic.texts])


def test_last_question_alone_is_answered():
    actor, critic = ScriptedModel(replies=[solution(7)]), ScriptedModel(replies=[critique_text("Correct")])
    earlier = (SystemMessage("Be brief."), HumanMessage("What is 1 + 1?"), AIMessage("2"))
    result = say(actor, critic, *earlier, HumanMessage(QUESTION))
    assert len(result["messages"]) == 5
    assert "1 + 1" not in actor.texts[0]


def test_conversation_on_a_thread_goes_on_and_forgets_the_results_before_it():
    actor = ScriptedModel(replies=[solution(8), solution(7), solution(7)])
    critic = ScriptedModel(replies=[critique_text("Wrong"), critique_text("Correct")])
    graph = create_chat(actor, critic).compile(checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "1"}}

    async def talk() -> Any:
        await graph.ainvoke({"messages": [HumanMessage(QUESTION, additional_kwargs={"reference": 7})]}, config)
        return await graph.ainvoke({"messages": [HumanMessage("And with 5 more?")]}, config)

    result = asyncio.run(talk())
    assert [message.type for message in result["messages"]] == ["human", "ai", "human", "ai"]
    told = found(result)
    assert (told["verdicts"], told["is_refined"], told["correct"]) == (["correct"], False, None)


def test_response_of_the_winning_chain_is_given():
    actor = ScriptedModel(replies=[solution(8), solution(7), solution(7)])
    result = say(actor, ScriptedModel(), samples=3, rounds=0)
    assert result["messages"][-1].text == solution(7)


def test_response_without_an_answer_is_given_as_it_is():
    result = say(ScriptedModel(replies=["I do not know."]), ScriptedModel(), rounds=0)
    assert result["messages"][-1].text == "I do not know."
    assert found(result)["answer"] is None


def test_failed_call_is_said():
    result = say(ScriptedModel(replies=[ValueError("no model")]), ScriptedModel(), rounds=1)
    assert result["messages"][-1].text == "No response could be written."


@pytest.mark.parametrize("messages", [[AIMessage("Hello.")], [HumanMessage(" ")]])
def test_conversation_without_a_question_is_refused(messages: list[Any]):
    with pytest.raises(ValueError, match="the conversation has no question"):
        say(ScriptedModel(), ScriptedModel(), *messages)


def test_events_of_the_loop_are_streamed():
    actor = ScriptedModel(replies=[solution(8), reply(solution(7))])
    graph = create_chat(actor, ScriptedModel(replies=[critique_text("Wrong")])).compile()

    async def stream() -> list[str]:
        parts = graph.astream({"messages": [HumanMessage(QUESTION)]}, stream_mode="custom")
        return [part["event"] async for part in parts]

    assert asyncio.run(stream()) == ["response", "critique", "refinement", "ballot"]


def test_unknown_setting_is_refused():
    with pytest.raises(ValueError, match="sample"):
        create_chat(ScriptedModel(), ScriptedModel(), sample=2)


def test_short_output_has_the_answer_and_the_verdicts():
    actor = ScriptedModel(replies=[solution(8), solution(7)])
    graph = create_ask(actor, ScriptedModel(replies=[critique_text("Wrong")])).compile()
    run_id = uuid4()
    result = asyncio.run(graph.ainvoke({"question": QUESTION}, {"run_id": run_id}))
    assert result == {"answer": "7", "verdicts": ["wrong"], "is_refined": True, "run_id": str(run_id)}
