"""The critic as a node of a graph whose state has `messages`."""

from typing import Any

from langchain_core.messages import AnyMessage, HumanMessage
from langchain_core.runnables import Runnable
from langgraph.graph import END
from langgraph.runtime import get_runtime
from langgraph.types import Command

from critique_graph.agents.conversation import is_of_critic
from critique_graph.agents.middleware import CritiqueMiddleware, CritiqueState
from critique_graph.calls.players import Model
from critique_graph.core.async_node import BothWays


def as_node(critic: Model, *, agent: str, then: str = END, **settings: Any) -> Runnable[CritiqueState, Command[Any]]:
    """Create a node that judges the last message of a graph, as `CritiqueMiddleware` does that of an agent.

    It sends the graph back to `agent` with the critique, or on to `then` with the verdict. The state of the graph is
    `CritiqueState`, or a class derived from it.

    Example:
        >>> builder = StateGraph(CritiqueState).add_node("agent", answer).add_edge(START, "agent")
        >>> builder.add_node("critic", as_node("openai:gpt-x", agent="agent"), destinations=("agent", END))
        >>> graph = builder.add_edge("agent", "critic").compile()

    Args:
        critic: Judges the answer: a chat model, a model string, or `human` for a person.
        agent: Name of the node that answers.
        then: Name of the node that follows.
        settings: Further arguments of `CritiqueMiddleware`.
    """
    middleware = CritiqueMiddleware(critic, **settings)

    async def critique(state: CritiqueState) -> Command[Any]:
        runtime = get_runtime()
        begun: dict[str, Any] = {}
        if not state.get("critique_episode"):
            asked = _asked(state["messages"])
            begun = middleware.before_agent({**state, "messages": state["messages"][:asked]}, runtime)
        update = await middleware.aafter_agent({**state, **begun}, runtime)  # type: ignore[typeddict-item]
        goto = agent if update.pop("jump_to", None) else then
        return Command(update={**begun, **update}, goto=goto)

    return BothWays(critique)


def _asked(messages: list[AnyMessage]) -> int:
    """Give the number of messages up to the last one of the user."""
    users = [
        n for n, message in enumerate(messages, 1) if isinstance(message, HumanMessage) and not is_of_critic(message)
    ]
    return users[-1] if users else 0
