"""The first node of a graph, which begins a question: on a thread, nothing of the question before it stays."""

from typing import Any

from langchain_core.runnables import Runnable
from langgraph.graph import StateGraph

from critique_graph.core.async_node import BothWays
from critique_graph.core.state import QuestionState
from critique_graph.core.state_records import known_problem


def add_first_node(
    builder: StateGraph[Any, Any, Any, Any],
    name: str,
    node: Runnable[Any, dict[str, Any]],
    results: type[Any] | None = None,
) -> None:
    """Add a node that may be the first; before its work, the input is checked and earlier results are forgotten.

    The node sees no results of an earlier question, and its update also sets those that it does not write to None.
    Results are what the schema `results` has, by default the output's.
    """
    forgotten = frozenset((results or builder.output_schema).__annotations__)

    async def begin(state: QuestionState) -> dict[str, Any]:
        problem = known_problem(state)
        asked = {key: value for key, value in state.items() if key not in forgotten}
        update = await node.ainvoke({**asked, "problem": problem})
        earlier = dict.fromkeys(forgotten) if "problem" in state else {}
        return {**earlier, **update, "problem": problem}

    builder.add_node(name, BothWays(begin))
