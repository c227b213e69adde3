"""Check the JSON with which an OpenAI-compatible server replies, before LangChain reads it.

What servers send in other forms is put into the usual one: content in parts, no finish reason, nonsense as usage.
"""

from collections.abc import Mapping
from typing import Any

from critique_graph.calls.faults import is_web_page, kind_of_status
from critique_graph.calls.replies import token_count
from critique_graph.core.errors import ModelCallError
from critique_graph.core.reasons import CUT_REASONS, FailureKind
from critique_graph.core.schema import Failure


def checked_payload(payload: object) -> dict[str, Any]:
    """Give a reply in the usual form.

    Raises:
        ModelCallError: The reply has no message, or an empty one (`invalid_reply`), reports an error, or is a web page.
    """
    if isinstance(payload, str) and is_web_page(payload):
        raise failed("setup", f"a web page with status 200, not an API's reply: {payload!r}")
    if not isinstance(payload, dict):
        raise invalid(f"not a JSON object: {payload!r}")
    if error := payload.get("error"):
        code = error.get("code") if isinstance(error, dict) else None
        kind = kind_of_status(code) if isinstance(code, int) and 300 <= code < 600 else "server"
        raise failed(kind, f"an error with status 200: {error}")
    choices = payload.get("choices")
    if not isinstance(choices, list) or not choices:
        raise invalid(f"choices is {choices!r}")
    choice = choices[0]
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(message, dict):
        raise invalid(f"the first choice has no message: {choice!r}")
    message = _in_one_text(message)
    if not isinstance(message.get("content"), str | None):
        raise invalid(f"the message's content is not text: {message['content']!r}")
    reason = choice.get("finish_reason")
    content = (message.get("content"), reasoning_of(message), message.get("tool_calls"), message.get("refusal"))
    if not any(content) and not is_cut(reason):  # all tokens may have gone into hidden reasoning
        raise invalid("the message is empty")
    choice = {**choice, "message": message, "finish_reason": reason or "missing"}
    return {**payload, "choices": [choice, *choices[1:]], "usage": _known_usage(payload.get("usage"))}


def checked_chunk(chunk: dict[str, Any]) -> dict[str, Any]:
    """Give a chunk of a streamed reply in the usual form."""
    choices = chunk.get("choices")
    if choices and isinstance(choices[0].get("delta"), dict):
        choices = [{**choices[0], "delta": _in_one_text(choices[0]["delta"])}, *choices[1:]]
        chunk = {**chunk, "choices": choices}
    return {**chunk, "usage": _known_usage(chunk.get("usage"))}


def reasoning_of(message: Mapping[str, Any]) -> str | None:
    """Read the reasoning from its field: `reasoning_content` (DeepSeek, older vLLM) or `reasoning` (newer servers)."""
    reasoning = message.get("reasoning_content") or message.get("reasoning")
    return reasoning if isinstance(reasoning, str) else None


def is_cut(reason: object) -> bool:
    """Say whether a finish reason means that the text is not whole."""
    return isinstance(reason, str) and reason.lower() in CUT_REASONS


def invalid(message: str, *, can_retry: bool = True) -> ModelCallError:
    """Give the error for a reply that cannot be used."""
    return failed("invalid_reply", message, can_retry=can_retry)


def failed(kind: FailureKind, message: str, *, can_retry: bool = True) -> ModelCallError:
    """Give the error for a reply that reports a failure, or is none of an API's."""
    return ModelCallError(Failure(kind=kind, message=" ".join(message.split())[:300]), can_retry=can_retry)


def _in_one_text(message: dict[str, Any]) -> dict[str, Any]:
    """Give a message, or a part of one, whose content is one text; reasoning and a refusal go into their own fields."""
    parts = message.get("content")
    if not isinstance(parts, list):
        return message
    fields = {"content": "", "reasoning_content": reasoning_of(message) or "", "refusal": message.get("refusal") or ""}
    for part in parts:
        kind = part.get("type") if isinstance(part, dict) else "text"
        field = {"thinking": "reasoning_content", "reasoning": "reasoning_content", "refusal": "refusal"}.get(
            str(kind), "content"
        )
        fields[field] += _text_of(part)
    return {**message, **{name: text or None for name, text in fields.items()}}


def _text_of(part: object) -> str:
    """Give the text of a content part, whose field is named after its type or `text`; that may hold parts again."""
    if isinstance(part, str):
        return part
    if isinstance(part, list):
        return "".join(inner if isinstance(inner, str) else str(inner.get("text") or "") for inner in part)
    if not isinstance(part, dict):
        raise invalid(f"a part of the message's content is not text: {part!r}")
    return next((_text_of(part[name]) for name in ("text", str(part.get("type"))) if part.get(name)), "")


def _known_usage(usage: object) -> dict[str, Any] | None:
    """Give the usage without what is no number of tokens; None when the tokens of prompt or completion are unknown."""
    if not isinstance(usage, dict):
        return None
    prompt, completion = token_count(usage.get("prompt_tokens")), token_count(usage.get("completion_tokens"))
    if prompt is None or completion is None:
        return None
    details = {
        name: {key: count for key, count in given.items() if token_count(count) is not None}
        for name in ("prompt_tokens_details", "completion_tokens_details")
        if isinstance(given := usage.get(name), dict)
    }
    total = token_count(usage.get("total_tokens"))
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion if total is None else total,
        **details,
    }
