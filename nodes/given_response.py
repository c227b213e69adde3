"""A given response, which takes the place of the actor's."""

from typing import Any

from langchain_core.runnables import Runnable

from critique_graph.core.async_node import BothWays, emit
from critique_graph.core.schema import Call, Chain, Response
from critique_graph.core.state import JudgeState
from critique_graph.core.state_records import write_chains

STEP_SEPARATOR = "\n\n"
"""Text between steps that were given one by one: the steps of ProcessBench are paragraphs."""


def create_given_response() -> Runnable[JudgeState, dict[str, Any]]:
    """Create the node that makes the given steps the response of the only chain."""

    async def given_response(state: JudgeState) -> dict[str, Any]:
        text = STEP_SEPARATOR.join(state["steps"])
        emit("response", chain=0, round=0, text=text, answer=None)
        return write_chains([Chain(index=0, response=Response(text=text, answer=None, call=Call(model="given")))])

    return BothWays(given_response)
