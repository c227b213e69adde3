"""Offer the loop to an agent as a tool.

python examples/tool.py
"""

import asyncio

from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode

from critique_graph import create_actor_critic

loop = create_actor_critic(samples=2).compile()


@tool
async def solve_carefully(question: str) -> str:
    """Solve a word problem step by step and have every step checked by a critic."""
    result = await loop.ainvoke({"question": question})
    return str(result["answer"])


builder = StateGraph(MessagesState)
builder.add_node("tools", ToolNode([solve_carefully]))
builder.add_edge(START, "tools")
agent = builder.compile()

question = "Dan has 20 pens. Dan buys 9 more. Dan gives 6 of them to Zoe. How many pens does Dan have?"
call = AIMessage("", tool_calls=[{"name": "solve_carefully", "args": {"question": question}, "id": "call-1"}])
print(asyncio.run(agent.ainvoke({"messages": [call]}))["messages"][-1].text)
