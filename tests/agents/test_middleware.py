"""The critic as middleware of an agent of LangChain."""

from pathlib import Path
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from critique_graph import CritiqueMiddleware, export_rows, read_traces
from tests.fakes import ReplyLike, ScriptedModel, critique_text, reply, solution

QUESTION = "Ann has 3 apples and buys 4. How many has she?"
RIGHT, WRONG = critique_text("Correct"), critique_text("Wrong")


class Agent(ScriptedModel):
    """A scripted model that takes tools."""

    def bind_tools(self, tools: Any, **options: Any) -> Any:
        return self


def asked(question: str = QUESTION, **more: Any) -> dict[str, Any]:
    return {"messages": [HumanMessage(question)], **more}


def agent_of(answers: list[ReplyLike], judgements: list[Any], **settings: Any) -> tuple[Any, Agent, ScriptedModel]:
    tools, checkpointer = settings.pop("tools", ()), settings.pop("checkpointer", None)
    model, critic = Agent(replies=list(answers)), ScriptedModel(replies=list(judgements))
    middleware = CritiqueMiddleware(critic=settings.pop("critic", critic), **settings)
    return create_agent(model, tools, middleware=[middleware], checkpointer=checkpointer), model, critic


async def test_answer_that_passes_stays_and_says_so():
    agent, model, critic = agent_of([solution(7)], [RIGHT])
    result = await agent.ainvoke(asked())

    assert [message.text for message in result["messages"]] == [QUESTION, solution(7)]
    assert result["critique"]["status"] == "passed"
    assert result["messages"][-1].response_metadata["critique"]["status"] == "passed"
    assert (len(model.prompts), len(critic.prompts)) == (1, 1)


def test_agent_goes_on_with_the_critique_of_a_wrong_answer():
    agent, model, _ = agent_of([solution(8), solution(7)], [WRONG, RIGHT])
    result = agent.invoke(asked())

    assert "is wrong: because" in model.prompts[1][-1].text
    assert result["messages"][-1].text == solution(7)
    assert (result["critique"]["status"], result["critique"]["rounds"]) == ("passed", 1)
    assert result["critique"]["changes"][0]["changed"] == 1
    assert result["critique"]["usage"]["total"]["calls"] == 4


async def test_critic_is_not_shown_the_answers_that_it_rejected():
    agent, _, critic = agent_of([solution(8), solution(7)], [WRONG, RIGHT])
    await agent.ainvoke(asked())
    first, second = (prompt[-1].text for prompt in critic.prompts)
    assert second == first.replace("boxed{8}", "boxed{7}")


async def test_message_without_text_does_not_take_the_place_of_a_rejected_answer():
    agent, _, _ = agent_of([solution(8), AIMessage("")], [WRONG])
    result = await agent.ainvoke(asked())
    assert result["messages"][-1].text == solution(8)
    assert (result["critique"]["status"], result["critique"]["reason"]) == ("rejected", "no_text")


async def test_message_of_somebody_who_is_called_critic_is_shown():
    agent, _, critic = agent_of([solution(7)], [RIGHT])
    said = AIMessage("Mind the units.", name="critic")
    await agent.ainvoke({"messages": [HumanMessage(QUESTION), said, HumanMessage("Well?")]})
    assert "Assistant: Mind the units." in critic.prompts[0][-1].text


async def test_answer_that_was_rejected_is_never_given_as_passed_and_the_latest_one_is_kept():
    agent, _, _ = agent_of([solution(8), solution(9)], [WRONG, WRONG])
    result = await agent.ainvoke(asked())

    assert result["messages"][-1].text == solution(9), "of two rejected answers the latest stays"
    assert result["messages"][-1].response_metadata["critique"]["status"] == "rejected"
    assert (result["critique"]["status"], result["critique"]["reason"]) == ("rejected", "rounds")


async def test_better_answer_of_an_earlier_round_is_kept():
    agent, _, _ = agent_of([solution(8), solution(9)], [RIGHT, WRONG, WRONG, WRONG], critiques=2)
    result = await agent.ainvoke(asked())
    assert result["critique"]["kept_round"] == 0
    assert [attempt["approval"] for attempt in result["critique"]["attempts"]] == [0.5, 0.0]


async def test_abstention_takes_the_place_of_a_rejected_answer():
    agent, _, _ = agent_of([solution(8)], [WRONG], rounds=0, abstention="I do not know.")
    result = await agent.ainvoke(asked())
    assert result["messages"][-1].text == "I do not know."
    assert result["critique"]["is_abstaining"] is True


async def test_answer_passes_as_unjudged_when_the_critic_fails():
    agent, _, _ = agent_of([solution(8)], [ValueError("no such model")])
    result = await agent.ainvoke(asked())
    assert result["messages"][-1].text == solution(8)
    assert (result["critique"]["status"], result["critique"]["reason"]) == ("unjudged", "critic_failed")
    assert "no such model" in result["critique"]["failure"]


async def test_critique_without_a_verdict_judges_nothing():
    agent, _, _ = agent_of([solution(8)], ["Well."])
    result = await agent.ainvoke(asked())
    assert (result["critique"]["status"], result["critique"]["reason"]) == ("unjudged", "no_verdict")


async def test_message_without_text_is_not_judged():
    agent, _, critic = agent_of([AIMessage("")], [])
    result = await agent.ainvoke(asked())
    assert (result["critique"]["status"], result["critique"]["reason"]) == ("unjudged", "no_text")
    assert not critic.prompts


async def test_token_budget_ends_the_rounds():
    agent, model, _ = agent_of([solution(8)], [WRONG], token_budget=30)
    result = await agent.ainvoke(asked())
    assert (result["critique"]["reason"], len(model.prompts)) == ("budget", 1)


async def test_recursion_limit_ends_the_rounds_not_the_agent():
    agent, model, _ = agent_of([solution(8)], [WRONG], rounds=50)
    result = await agent.ainvoke(asked(), config={"recursion_limit": 9})
    assert (result["critique"]["reason"], len(model.prompts)) == ("recursion_limit", 1)


@tool
def look_up(word: str) -> str:
    """Look a word up."""
    return f"{word}: " + "x" * 60


def calls(word: str) -> AIMessage:
    return AIMessage("", tool_calls=[{"name": "look_up", "args": {"word": word}, "id": "1", "type": "tool_call"}])


async def test_critic_sees_calls_of_tools_and_their_results():
    agent, _, critic = agent_of([calls("apple"), solution(7)], [RIGHT], tools=[look_up])
    await agent.ainvoke(asked())
    seen = critic.prompts[0][-1].text
    assert f"User: {QUESTION}" in seen
    assert 'Assistant calls look_up: {"word":"apple"}' in seen
    assert "Tool look_up: apple: xxx" in seen


async def test_conversation_that_is_too_long_is_shortened_and_that_is_said():
    agent, _, critic = agent_of([calls("apple"), solution(7)], [RIGHT], tools=[look_up], max_chars=120)
    result = await agent.ainvoke(asked())
    left_out = result["critique"]["left_out_chars"]
    assert left_out > 0
    assert f"[{left_out:,} characters are left out here]" in critic.prompts[0][-1].text
    assert QUESTION in critic.prompts[0][-1].text, "the longest message is cut first"


async def test_second_question_on_a_thread_starts_clean():
    agent, _, critic = agent_of([solution(7), solution(9)], [RIGHT, ValueError("out")], checkpointer=InMemorySaver())
    thread: RunnableConfig = {"configurable": {"thread_id": "1"}}
    await agent.ainvoke(asked(reference="7"), thread)
    result = await agent.ainvoke(asked("And if she buys 6?"), thread)

    assert result["critique"]["status"] == "unjudged"
    assert result["critique"]["correct"] is None, "the reference of the first question is gone"
    assert "User: And if she buys 6?" in critic.prompts[1][-1].text


@pytest.mark.parametrize(
    ("said", "status"),
    [("correct", "passed"), ("It is 7.", "rejected"), ({"verdict": "wrong", "explanation": "It is 7."}, "rejected")],
)
def test_person_may_be_the_critic(said: Any, status: str):
    agent, _, _ = agent_of([solution(8)], [], critic="human", rounds=0, checkpointer=InMemorySaver())
    thread: RunnableConfig = {"configurable": {"thread_id": "1"}}
    paused = agent.invoke(asked(), thread)
    assert paused["__interrupt__"][0].value["answer"] == solution(8)
    assert agent.invoke(Command(resume=said), thread)["critique"]["status"] == status


async def test_words_of_a_person_reach_the_agent():
    agent, model, _ = agent_of([solution(8), solution(7)], [], critic="human", checkpointer=InMemorySaver())
    thread: RunnableConfig = {"configurable": {"thread_id": "1"}}
    await agent.ainvoke(asked(), thread)
    await agent.ainvoke(Command(resume="It is 7."), thread)
    assert "It is 7." in model.prompts[1][-1].text


async def test_critiques_are_events_of_the_stream_and_no_tokens_of_it():
    agent, _, _ = agent_of([solution(8), solution(7)], [WRONG, RIGHT])
    events: list[Any] = []
    texts: list[str] = []
    async for mode, chunk in agent.astream(asked(), stream_mode=["custom", "messages"]):
        events += [chunk] if mode == "custom" else []
        texts += [chunk[0].text] if mode == "messages" else []
    assert [(event["event"], event["final"]) for event in events] == [("critique", "wrong"), ("critique", "correct")]
    assert not any("Correctness of the step" in text for text in texts)


async def test_every_episode_is_a_trace_to_train_from(tmp_path: Path):
    file = tmp_path / "traces.jsonl"
    agent, _, _ = agent_of([solution(8), solution(7), solution(7)], [WRONG, RIGHT, RIGHT], traces=file)
    await agent.ainvoke(asked(reference="7"))
    await agent.ainvoke(asked("What is 3 + 4?", reference=7))

    first, second = read_traces(file)
    assert (first.correct, len(first.chains[0].rounds), second.correct) == (True, 2, True)
    assert first.graph == "agent"
    export_rows(file, to="trl", task="critic", out=tmp_path / "rows.jsonl")
    assert (tmp_path / "rows.jsonl").read_text().count("\n") == 3


async def test_file_that_cannot_be_written_costs_the_trace_and_not_the_answer(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    agent, _, _ = agent_of([solution(7)], [RIGHT], traces=tmp_path)
    result = await agent.ainvoke(asked())
    assert result["critique"]["status"] == "passed"
    assert "is lost" in caplog.text


async def test_tokens_of_all_calls_of_the_agent_count():
    agent, _, _ = agent_of([calls("apple"), reply(solution(7))], [RIGHT], tools=[look_up])
    result = await agent.ainvoke(asked())
    actor = result["critique"]["usage"]["actor"]
    assert (actor["calls"], actor["unknown_calls"], actor["output_tokens"]) == (2, 1, 5)


@pytest.mark.parametrize("setting", [{"rounds": -1}, {"critiques": 0}, {"max_chars": 0}])
def test_number_out_of_its_range(setting: dict[str, int]):
    with pytest.raises(ValueError, match=f"{next(iter(setting))} must be at least"):
        CritiqueMiddleware(critic="miniature:critic", **setting)  # type: ignore[arg-type]
