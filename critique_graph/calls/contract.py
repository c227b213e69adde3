"""What a model can do besides answering: continue a text that was begun for it, and keep to a JSON schema.

A class says what its models can do. Behind an OpenAI-compatible server there may be any program, so the server is asked
once per model: it is given a text that no model would begin by itself, and a request for prose with a schema for JSON.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any, Literal
from weakref import WeakKeyDictionary

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from pydantic import BaseModel

from critique_graph.core.critique_json import EXPLANATION_CHARS, critique_format, read_critique_json
from critique_graph.core.schema import Failure, Reply
from critique_graph.core.secrets import redacted
from critique_graph.core.untrusted import is_blank

Continuation = Literal["continues", "echoes", "starts anew"]
"""What a server does with a text that was begun: it gives the rest, the whole, or another text."""

KeptSchema = Literal["bounded", "unbounded", "none"]
"""To what JSON schema a model keeps: one that bounds the length of strings, only one that does not, or none."""

Ask = Callable[..., Awaitable[Reply | Failure]]
"""Makes a call of a model: takes the messages, and the options of the call."""

BEGUN = "As you wish. My numbers are: 70, 60, 50,"
_COUNT_DOWN: list[BaseMessage] = [HumanMessage("Count down from 70 to 0 in tens."), AIMessage(BEGUN)]
_JUDGE: list[BaseMessage] = [HumanMessage("Is 2 + 2 = 4? Explain in one short sentence.")]
_SAYS_NO = ("rejected", "invalid_reply", "empty_reply", "error")
"""Kinds of failure by which a server refuses what it was asked; others say nothing about what it can do."""

_answers: "WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Any, asyncio.Task[Any]]]" = WeakKeyDictionary()


@cache
def declared(kind: type[BaseChatModel], name: str) -> Any:
    """Give what a class says of its models under a name; None if it says nothing, which pydantic takes long to find."""
    return getattr(kind, name, None)


def attribute_of(model: BaseChatModel, name: str) -> Any:
    """Give an attribute of a model; None if it has none, which pydantic takes long to find."""
    return None if _lacks(type(model), name) else getattr(model, name, None)


@cache
def _lacks(kind: type[BaseChatModel], name: str) -> bool:
    """Tell whether no model of a class can have an attribute."""
    is_open = kind.model_config.get("extra") == "allow" or kind.__getattr__ is not BaseModel.__getattr__  # type: ignore[attr-defined]
    return not (is_open or hasattr(kind, name) or name in kind.model_fields or name in kind.__private_attributes__)


async def continuation_of(model: BaseChatModel, ask: Ask) -> Continuation:
    """Find out what becomes of a text that was begun for a model; a server is asked once."""
    if not declared(type(model), "continues_final_message"):
        return "starts anew"
    if not declared(type(model), "must_be_probed"):
        return "continues"

    async def probe() -> Continuation | None:
        outcome = await ask(_COUNT_DOWN, continue_final_message=True)
        if isinstance(outcome, Failure):
            return "starts anew" if outcome.kind in _SAYS_NO else None
        text = outcome.text.strip()
        if text.startswith(BEGUN):
            return "echoes"
        return "continues" if text.startswith("40") else "starts anew"

    return await _once(model, "continuation", probe) or "starts anew"


async def kept_schema(model: BaseChatModel, ask: Ask) -> KeptSchema:
    """Find out to what JSON schema a model keeps; a server is asked once, or twice if it refuses a bounded string."""
    if not declared(type(model), "takes_response_format"):
        return "none"
    if not declared(type(model), "must_be_probed"):
        return "bounded"

    async def probe() -> KeptSchema | None:
        tried: tuple[tuple[KeptSchema, int | None], ...] = (("bounded", EXPLANATION_CHARS), ("unbounded", None))
        for kept, max_chars in tried:
            outcome = await ask(_JUDGE, **critique_format(1, max_chars=max_chars))
            if isinstance(outcome, Reply):
                is_thinking = is_blank(outcome.text) and outcome.call.is_truncated  # the limit ended its reasoning
                is_kept = is_thinking or read_critique_json(outcome.text, ["2 + 2 = 4"]) is not None
                return kept if is_kept else "none"
            if outcome.kind not in _SAYS_NO:
                return None
        return "none"

    return await _once(model, "schema", probe) or "none"


def learned() -> list[dict[str, Any]]:
    """Give what the probes of this event loop have found, an entry for each model on each server."""
    found: dict[tuple[Any, Any], dict[str, Any]] = {}
    for (server, name, question), answer in _answers.get(asyncio.get_running_loop(), {}).items():
        if answer.done() and not answer.cancelled() and answer.exception() is None and answer.result() is not None:
            known = {"model": name} | ({"server": redacted(server)} if isinstance(server, str) else {})
            found.setdefault((server, name), known)[question] = answer.result()
    return list(found.values())


async def _once(model: BaseChatModel, question: str, probe: Callable[[], Awaitable[Any]]) -> Any:
    """Give the answer of an earlier probe, or probe now; an answer of None is not kept."""
    asked = _answers.setdefault(asyncio.get_running_loop(), {})
    key = (getattr(model, "openai_api_base", None) or id(model), getattr(model, "model_name", None), question)
    if key not in asked:
        asked[key] = asyncio.ensure_future(_awaited(probe))
    answer = await asyncio.shield(asked[key])
    if answer is None:
        asked.pop(key, None)
    return answer


async def _awaited(probe: Callable[[], Awaitable[Any]]) -> Any:
    return await probe()
