"""What the critic of an agent is shown: the conversation that led to the answer, as one text."""

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

import orjson
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, SystemMessage, ToolMessage

_FROM_CRITIC = {"lc_source": "critique_graph"}
"""Marks the messages by which the critic speaks to the agent; a name would not do, since an agent may have it."""


class Conversation(NamedTuple):
    """The conversation as the critic is shown it."""

    text: str
    left_out: int
    """Number of characters that were left out, because the conversation is longer than the critic may be shown."""


def message_of_critic(text: str) -> HumanMessage:
    """Make a message by which the critic speaks to the agent."""
    return HumanMessage(text, name="critic", additional_kwargs=_FROM_CRITIC)


def is_of_critic(message: AnyMessage) -> bool:
    """Tell whether the critic speaks to the agent by this message."""
    return message.additional_kwargs.items() >= _FROM_CRITIC.items()


def conversation_for_critic(
    messages: Sequence[AnyMessage], *, max_chars: int, rejected: Collection[str | None] = ()
) -> Conversation:
    """Write a conversation up to the answer that is judged, without system messages and what the critic has said.

    Nor has it the answers to the question that the critic has rejected: every answer is judged for itself.

    A single question is shown as it is. Where a conversation is too long, its longest messages lose their middle, all
    down to the same length; the text says how many characters are missing and where.

    Args:
        messages: The conversation before the answer.
        max_chars: Number of characters of message text that the critic is shown at most.
        rejected: Ids of the messages with answers that the critic has rejected.
    """
    shown = [
        message
        for message in messages
        if not (isinstance(message, SystemMessage) or is_of_critic(message) or message.id in rejected)
    ]
    if len(shown) == 1 and isinstance(shown[0], HumanMessage):
        (text,), left_out = _fitted([shown[0].text], max_chars)
        return Conversation(text, left_out)
    turns = [turn for message in shown for turn in _turns(message)]
    texts, left_out = _fitted([text for _, text in turns], max_chars)
    return Conversation(
        "\n\n".join(f"{speaker}: {text}" for (speaker, _), text in zip(turns, texts, strict=True)), left_out
    )


def _turns(message: AnyMessage) -> Iterator[tuple[str, str]]:
    """Give who says what in a message; a call of a tool is something that is said, too."""
    match message:
        case ToolMessage():
            outcome = " failed" if message.status == "error" else ""
            yield f"Tool {message.name or ''}".rstrip() + outcome, message.text
        case AIMessage():
            if message.text.strip():
                yield "Assistant", message.text
            for call in message.tool_calls:
                yield f"Assistant calls {call['name']}", orjson.dumps(call["args"], default=str).decode()
        case _:
            yield "User", message.text


def _fitted(texts: Sequence[str], max_chars: int) -> tuple[list[str], int]:
    """Cut the middle out of the longest texts until all together have at most `max_chars` characters."""
    if sum(map(len, texts)) <= max_chars:
        return list(texts), 0
    room, longest = max_chars, 0
    for number, size in enumerate(sorted(map(len, texts))):
        longest = room // (len(texts) - number)
        if size > longest:
            break
        room -= size
    kept = [_without_middle(text, longest) if len(text) > longest else text for text in texts]
    return kept, sum(len(text) - longest for text in texts if len(text) > longest)


def _without_middle(text: str, size: int) -> str:
    end = size // 2
    start = size - end
    return f"{text[:start]}\n[{len(text) - size:,} characters are left out here]\n{text[len(text) - end :]}"
