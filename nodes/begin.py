"""The first node of every graph: a question starts clean, also on a thread that has answered another one."""

from typing import Any

from langchain_core.runnables import Runnable

from critique_graph.core.async_node import BothWays
from critique_graph.core.per_question import SETTLE
from critique_graph.core.state import ActorCriticInput


def create_begin(**empty: Any) -> Runnable[ActorCriticInput, dict[str, Any]]:
    """Create the node that clears what the thread's last question left, and keeps the input of this one.

    Args:
        empty: Channels that earlier questions have written, with their empty values.
    """
    update = {"reference": SETTLE, "id": SETTLE, **empty}

    async def begin(state: ActorCriticInput) -> dict[str, Any]:
        return update

    return BothWays(begin)
