"""The part that every graph with rounds shares: solve, then critique and refine until every chain has stopped.

solve ─► critique ─► REFINE ─► (critique …) ─► THEN
"""

from typing import Any

from langchain_core.runnables import Runnable
from langgraph.graph import START, StateGraph

from critique_graph.calls.players import Players
from critique_graph.core.async_node import BothWays
from critique_graph.core.context import LoopContext
from critique_graph.core.state import ActorCriticState
from critique_graph.graphs.first_node import add_first_node
from critique_graph.nodes.critique import create_critique
from critique_graph.nodes.solve import create_solve


def add_loop(
    builder: StateGraph[Any, Any, Any, Any],
    players: Players[LoopContext],
    *,
    refine: tuple[str, Runnable[ActorCriticState, dict[str, Any]]],
    then: str,
) -> None:
    """Add the nodes of the loop and their edges.

    Args:
        builder: The graph; the caller adds the node `then`.
        players: The actor and the critic.
        refine: Name of the node that follows a critique, and the node.
        then: The node that follows once every chain has stopped.
    """
    name, node = refine
    add_first_node(builder, "solve", create_solve(players))
    builder.add_node("critique", create_critique(players))
    builder.add_node(name, node)
    builder.add_edge(START, "solve")
    for before, after in (("solve", "critique"), ("critique", name), (name, "critique")):
        builder.add_conditional_edges(before, while_open(after, then=then), [after, then])


def while_open(node: str, *, then: str) -> Runnable[ActorCriticState, str]:
    """Give the router that goes to `node` while some chain has not stopped, and then to `then`."""

    async def route(state: ActorCriticState) -> str:
        is_open = any(chain["stop"] is None for chain in state.get("chains", []))
        return node if is_open else then

    return BothWays(route)
