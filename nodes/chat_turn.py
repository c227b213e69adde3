"""What stands before and behind the loop where it is asked in a conversation, or as a tool."""

from collections.abc import Mapping
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.runnables import Runnable
from langgraph.runtime import get_runtime

from critique_graph.core.async_node import BothWays
from critique_graph.core.context import Context
from critique_graph.core.schema import Chain, Usage
from critique_graph.core.state import AnsweredState, ChatState
from critique_graph.core.state_records import read_chains

REFERENCE, ID = "reference", "id"
"""Names, in a message's `additional_kwargs`, of the reference answer and of the problem's id."""
VERDICTS = "critique_graph"
"""Name, in the `additional_kwargs` of an answer, of what the loop found."""
NO_ANSWER = "No response could be written."


def create_read_question() -> Runnable[ChatState, dict[str, Any]]:
    """Create the node that takes the question from the last message of the user; earlier messages are not read."""

    async def read_question(state: ChatState) -> dict[str, Any]:
        asked = last_question(state.get("messages", []))
        marks: Mapping[str, Any] = asked.additional_kwargs
        return {"question": asked.text, "reference": marks.get(REFERENCE), "id": marks.get(ID)}

    return BothWays(read_question)


def create_write_answer() -> Runnable[ChatState, dict[str, Any]]:
    """Create the node that adds the chosen response to the conversation."""

    async def write_answer(state: ChatState) -> dict[str, Any]:
        chains, ballot = read_chains(state), state["ballot"]
        chosen = chosen_chain(chains, ballot)
        response = None if chosen is None else chosen.latest
        total = Usage.model_validate(state["usage"]["total"])
        used = UsageMetadata(
            input_tokens=total.input_tokens,
            output_tokens=total.output_tokens,
            total_tokens=total.input_tokens + total.output_tokens,
        )
        found = {
            "answer": ballot["winner"],
            "verdict": None if chosen is None else chosen.verdict,
            **_judged(chosen),
            "correct": state["correct"],
            "has_response": response is not None,
            "is_truncated": response is not None and response.is_truncated,
            "usage": state["usage"],
        }
        text = NO_ANSWER if response is None else response.text
        return {"messages": [AIMessage(text, additional_kwargs={VERDICTS: found}, usage_metadata=used)]}

    return BothWays(write_answer)


def create_report() -> Runnable[AnsweredState, dict[str, Any]]:
    """Create the node that says what the critic found of the chosen response, and which run has the trace."""

    async def report(state: AnsweredState) -> dict[str, Any]:
        run = get_runtime(Context).execution_info
        found = _judged(chosen_chain(read_chains(state), state["ballot"]))
        return found | {"run_id": None if run is None else run.run_id}

    return BothWays(report)


def last_question(messages: list[AnyMessage]) -> HumanMessage:
    """Give the last message of the user.

    Raises:
        ValueError: There is none, or it has no text.
    """
    asked = next((message for message in reversed(messages) if isinstance(message, HumanMessage)), None)
    if asked is None or not asked.text.strip():
        raise ValueError("the conversation has no question: its last message of the user has no text.")
    return asked


def chosen_chain(chains: list[Chain], ballot: Mapping[str, Any]) -> Chain | None:
    """Give the first chain whose answer won; without a winner, the first chain that has a response."""
    won = next((entry["chains"] for entry in ballot["entries"] if entry["answer"] == ballot["winner"]), ())
    answered = [chain for chain in chains if chain.latest is not None]
    return next((chain for chain in answered if chain.index in won), answered[0] if answered else None)


def _judged(chosen: Chain | None) -> dict[str, Any]:
    return {
        "verdicts": [turn.critique.final for turn in chosen.rounds] if chosen else [],
        "is_refined": bool(chosen and chosen.latest is not chosen.response),
    }
