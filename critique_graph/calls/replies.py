"""Read a model's message: its text without reasoning and end tokens, and how the call went.

This is the only place where a reply enters the system: every reply it gives is valid Unicode, of bounded size, with the
model's reasoning kept separate. A message without any text is a failure, unless the token limit cut it off.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage

from critique_graph.core.critique_labels import split_reply
from critique_graph.core.errors import ModelCallError
from critique_graph.core.reasoning import holds_tags, mentions_reasoning
from critique_graph.core.schema import Call, Failure, Reply, Usage
from critique_graph.core.untrusted import is_blank

MAX_REPLY_CHARS = 4_000_000
"""Number of characters of a text, and of its reasoning, after which the rest is cut off."""
_MAX_TOKENS = 10**12
"""Largest number of tokens that is believed."""

_END_TOKENS = re.compile(
    r"\s*+(?:(?:"
    r"(?:<\|(?:im_start|start_header_id|start_of_role|start|turn)\|?>|<start_of_turn>)(?:assistant|user|model)?"
    r"|<\|[A-Za-z_0-9 ]{1,40}\|>|<\uff5c[^\uff5c<>\n]{1,40}\uff5c>|\[\|[a-z_]{1,20}\|\]"
    r"|</s>|<(?:eos|pad|turn\||end_of_(?:turn|utterance|text))>|<eo[ps]>|<EOS_TOKEN>|\[/INST\]|\[e~\["
    r")\s*+)++\Z"
)
_MAX_END_CHARS = 400
_ENDS_OF_END_TOKENS = (">", "]", "[", "assistant", "user", "model")
"""What a text that ends with such a token ends with; most texts do not, and need not be searched."""


def read_reply(message: AIMessage, prompt: Sequence[BaseMessage], call: Call, *, may_be_empty: bool = False) -> Reply:
    """Read the reply to `prompt`; `call` says by which model and when, and what was used.

    Of a reply that `may_be_empty` and is, the text is the model's refusal, if there is one.

    Raises:
        ModelCallError: The reply has no text (`empty_reply`), and neither `may_be_empty` nor a limit explains that.
    """
    whole = message.text
    may_quote = holds_tags(whole) and any(mentions_reasoning(shown.text) for shown in prompt)
    reasoning, text = split_reply(whole[:MAX_REPLY_CHARS], may_quote=may_quote)
    reasoning = "\n".join(
        filter(None, (_reasoning_field(message)[:MAX_REPLY_CHARS], _without_end_tokens(reasoning or "")))
    )
    call = call.model_copy(
        update={
            "finish_reason": "too_long" if len(whole) > MAX_REPLY_CHARS else _finish_reason(message),
            "reasoning": valid_unicode(reasoning) or None,
        }
    )
    text = valid_unicode(_without_end_tokens(text))
    if is_blank(text) and not call.is_truncated:
        if not may_be_empty:
            raise ModelCallError(Failure(kind="empty_reply", message=_why_empty(message, call.reasoning)))
        text = valid_unicode(_refusal(message))
    return Reply(text=text, call=call)


def valid_unicode(text: str) -> str:
    """Replace lone surrogates: servers send them, but files and databases cannot store them."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def token_count(value: object) -> int | None:
    """Give a number of tokens that a server reported; None when it is nonsense."""
    return value if isinstance(value, int) and 0 <= value <= _MAX_TOKENS else None


def _without_end_tokens(text: str) -> str:
    """Remove the tokens of the chat template with which a reply ends where a server leaves them in."""
    if not text.rstrip().endswith(_ENDS_OF_END_TOKENS):
        return text
    return text[:-_MAX_END_CHARS] + _END_TOKENS.sub("", text[-_MAX_END_CHARS:])


def _why_empty(message: AIMessage, reasoning: str | None) -> str:
    if refusal := _refusal(message):
        return f"the model refused: {refusal}"
    if message.tool_calls or message.invalid_tool_calls:
        return "the reply is a tool call only"
    return "the reply is reasoning only" if reasoning else "the reply has no visible text"


def _refusal(message: AIMessage) -> str:
    refusal = message.additional_kwargs.get("refusal")
    return refusal if isinstance(refusal, str) else ""


def _reasoning_field(message: AIMessage) -> str:
    if isinstance(message.content, str) and not message.additional_kwargs:
        return ""
    blocks = (block for block in message.content_blocks if block["type"] == "reasoning")
    return "\n".join(block.get("reasoning", "") for block in blocks)


def _finish_reason(message: AIMessage) -> str | None:
    reason = message.response_metadata.get("finish_reason") or message.response_metadata.get("stop_reason")
    return valid_unicode(reason) if isinstance(reason, str) else None


def usage_of(message: AIMessage) -> Usage:
    """Give what one call has used; tokens that are not known, or nonsense, are counted apart."""
    usage: Mapping[str, Any] = message.usage_metadata or {}
    tokens = {name: token_count(usage.get(name)) for name in ("input_tokens", "output_tokens")}
    if None in tokens.values():
        return Usage(calls=1, unknown_calls=1)
    return Usage(
        calls=1,
        **tokens,
        cached_tokens=token_count(usage.get("input_token_details", {}).get("cache_read")) or 0,
        reasoning_tokens=token_count(usage.get("output_token_details", {}).get("reasoning")) or 0,
    )
