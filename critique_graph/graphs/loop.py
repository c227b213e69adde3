"""The part that every graph with rounds shares: solve, then critique and refine until every chain has stopped.

    solve ─► critique ─► REFINE ─► (critique …) ─► THEN

Every critique and every refinement is a super-step of LangGraph. Where its recursion limit leaves too few of them for
another, the chains stop, and the graph goes on to its end with what it has.
"""

import logging
from typing import Any

from langchain_core.runnables import Runnable
from langgraph.graph import START, StateGraph

from critique_graph.calls.players import Players
from critique_graph.core.async_node import BothWays, emit
from critique_graph.core.context import LoopContext
from critique_graph.core.reasons import ChainStop
from critique_graph.core.schema import Chain
from critique_graph.core.state import ActorCriticState
from critique_graph.core.state_records import write_chains
from critique_graph.graphs.first_node import add_first_node
from critique_graph.nodes.critique import create_critique
from critique_graph.nodes.solve import create_solve

logger = logging.getLogger(__name__)

_OUT_OF_STEPS: ChainStop = "recursion_limit"


def add_loop(
    builder: StateGraph[Any, Any, Any, Any],
    players: Players[LoopContext],
    *,
    refine: tuple[str, Runnable[ActorCriticState, dict[str, Any]]],
    then: str,
    after: str = START,
    last_steps: int = 1,
    results: type[Any] | None = None,
) -> None:
    """Add the nodes of the loop and their edges.

    Args:
        builder: The graph; the caller adds the node `then`.
        players: The actor and the critic.
        refine: Name of the node that follows a critique, and the node.
        then: The node that follows once every chain has stopped.
        after: The node before the loop.
        last_steps: Number of super-steps from `then` to the end of the graph.
        results: Schema of what is forgotten when another question begins; by default the graph's output.
    """
    name, node = refine
    needed = 1 + last_steps
    add_first_node(builder, "solve", within_limit(create_solve(players), needed=needed), results)
    builder.add_node("critique", within_limit(create_critique(players), needed=needed))
    builder.add_node(name, within_limit(node, needed=needed))
    builder.add_edge(after, "solve")
    for before, after in (("solve", "critique"), ("critique", name), (name, "critique")):
        builder.add_conditional_edges(before, while_open(after, then=then), [after, then])


def within_limit(
    node: Runnable[ActorCriticState, dict[str, Any]], *, needed: int
) -> Runnable[ActorCriticState, dict[str, Any]]:
    """Give a node that stops the open chains if fewer than `needed` super-steps may follow it."""

    async def run(state: ActorCriticState) -> dict[str, Any]:
        update = await node.ainvoke(state)
        is_open = [chain["stop"] is None for chain in update["chains"]]
        may_follow = state["remaining_steps"] - 1
        if may_follow >= needed or not any(is_open):
            return update
        logger.warning(
            "LangGraph's recursion limit leaves no super-steps for another round: %d of %d chains stop early. "
            "Each round takes two; set a higher recursion_limit in the config.",
            sum(is_open),
            len(is_open),
        )
        emit("out_of_steps", chains=[chain["index"] for chain in update["chains"] if chain["stop"] is None])
        chains = [{**chain, "stop": chain["stop"] or _OUT_OF_STEPS} for chain in update["chains"]]
        return {**update, **write_chains(map(Chain.model_validate, chains))}

    return BothWays(run)


def while_open(node: str, *, then: str) -> Runnable[ActorCriticState, str]:
    """Give the router that goes to `node` while some chain has not stopped, and then to `then`."""

    async def route(state: ActorCriticState) -> str:
        is_open = any(chain["stop"] is None for chain in state.get("chains", []))
        return node if is_open else then

    return BothWays(route)
