"""The critic as a tool, and as a node of a graph of one's own."""

from typing import Any

from langchain_core.messages import HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph

from critique_graph.agents.middleware import CritiqueState
from critique_graph.agents.node import as_node
from critique_graph.agents.tool import critique_tool
from tests.fakes import ScriptedModel, critique_text, solution

RIGHT, WRONG = critique_text("Correct"), critique_text("Wrong")


def graph_of(answers: list[str], judgements: list[Any]) -> tuple[Any, ScriptedModel]:
    model = ScriptedModel(replies=answers)

    async def answer(state: CritiqueState) -> dict[str, Any]:
        return {"messages": [await model.ainvoke(state["messages"])]}

    builder = StateGraph(CritiqueState).add_node("agent", answer).add_edge(START, "agent")
    node = as_node(ScriptedModel(replies=judgements), agent="agent")
    builder.add_node("critic", node, destinations=("agent", END))
    return builder.add_edge("agent", "critic").compile(checkpointer=InMemorySaver()), model


async def test_node_sends_the_graph_back_with_the_critique():
    graph, model = graph_of([solution(8), solution(7), solution(5)], [WRONG, RIGHT, RIGHT])
    thread: Any = {"configurable": {"thread_id": "1"}}
    result = await graph.ainvoke({"messages": [HumanMessage("What is 3 + 4?")]}, thread)
    assert "is wrong: because" in model.prompts[1][-1].text
    assert (result["critique"]["status"], result["messages"][-1].text) == ("passed", solution(7))

    again = await graph.ainvoke({"messages": [HumanMessage("And 3 + 2?")]}, thread)
    assert (again["critique"]["rounds"], again["messages"][-1].text) == (0, solution(5))


async def test_tool_gives_the_critique_in_prose():
    tool = critique_tool(ScriptedModel(replies=[WRONG]))
    said = await tool.ainvoke({"question": "What is 3 + 4?", "answer": solution(8)})
    assert said == "Step 1 (3 + 4 = 7.) is wrong: because.\nThe final answer is wrong: because."


def test_tool_says_why_there_is_no_critique():
    tool = critique_tool(ScriptedModel(replies=[ValueError("no such model")]))
    assert "no such model" in tool.invoke({"question": "What is 3 + 4?", "answer": solution(8)})


def test_tool_says_what_it_is_for():
    assert set(critique_tool("miniature:critic").args) == {"question", "answer"}
