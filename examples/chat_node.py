"""Use the loop as a node of a chat graph: the last message is the question, the answer is a message.

python examples/chat_node.py
"""

from typing import Any

from langchain_core.messages import AIMessage, HumanMessage
from langgraph.graph import START, MessagesState, StateGraph

from critique_graph import create_actor_critic

loop = create_actor_critic(samples=2).compile(name="actor_critic")


def think(state: MessagesState) -> dict[str, Any]:
    result = loop.invoke({"question": state["messages"][-1].text})
    return {"messages": [AIMessage(f"The answer is {result['answer']}.")]}


builder = StateGraph(MessagesState)
builder.add_node("think", think)
builder.add_edge(START, "think")
chat = builder.compile()

question = "Max has 14 cards. Max buys 8 more. Ida has 3 times as many as Max. How many cards does Ida have?"
print(chat.invoke({"messages": [HumanMessage(question)]})["messages"][-1].text)
