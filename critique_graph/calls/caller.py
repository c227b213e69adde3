"""One model call: its key and seed, its retries, and the reply or failure that results.

This is the only retry layer (model classes are created without retries), and the only place where a reply enters the
system: every reply it gives is valid Unicode, of bounded size, with the model's reasoning kept separate.
"""

import asyncio
import hashlib
import logging
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langgraph.errors import GraphBubbleUp

from critique_graph.calls.faults import classify
from critique_graph.core.errors import InputError, MissingDependencyError, RunError
from critique_graph.core.reasoning import split_reasoning
from critique_graph.core.schema import Call, Failure, Reply, Role, Usage

logger = logging.getLogger(__name__)

MAX_ATTEMPTS = 6
DEADLINE_SECONDS = 1800.0
"""Total time for one call, including retries and waiting in an engine's queue."""
MAX_RETRY_AFTER_SECONDS = 120.0
"""Longest pause a server may ask for; a server that asks for more is treated as unavailable."""
MAX_REPLY_CHARS = 4_000_000
_BACKOFF_BASE_SECONDS, _BACKOFF_CAP_SECONDS = 0.5, 30.0


class CallKey(NamedTuple):
    """A call's place in the graph. It is the journal's key and determines the seed, so neither depends on timing."""

    problem: str
    role: Role
    chain: int | str
    """A chain's index, or a path's name."""
    round: int
    """0 is the first response; round r >= 1 is critique r or refinement r."""

    def __str__(self) -> str:
        return f"{self.problem}/{self.role}/{self.chain}/{self.round}"


class CallLog(Protocol):
    """Remembers finished calls, so that an interrupted run continues where it stopped."""

    def recall(self, key: CallKey) -> Reply | None:
        """Give the reply recorded under `key`, or None."""

    def record(self, key: CallKey, reply: Reply) -> None:
        """Keep a reply; this must not block the event loop."""


def derive_seed(seed: int, *place: object) -> int:
    """Give a 31-bit seed that depends only on `seed` and `place`."""
    digest = hashlib.sha256("/".join(map(str, (seed, *place))).encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


@dataclass(frozen=True)
class Caller:
    """Calls one model in one role, with fixed sampling settings."""

    model: BaseChatModel
    role: Role
    temperature: float
    max_tokens: int
    seed: int
    log: CallLog | None = None
    sleep: Callable[[float], Awaitable[None]] = field(default=asyncio.sleep)

    @property
    def can_continue(self) -> bool:
        """True when the model can continue a final message that it began."""
        return can_continue(self.model)

    async def __call__(
        self,
        messages: list[BaseMessage],
        key: CallKey,
        *,
        temperature: float | None = None,
        seed_key: CallKey | None = None,
        **options: Any,
    ) -> Reply | Failure:
        """Give the journalled reply for `key`, or make the call. A failure is returned as data, not raised.

        Args:
            messages: The conversation.
            key: The call's place in the graph.
            temperature: Temperature of this call, if it differs from the role's.
            seed_key: The key whose seed is used, if several calls should share one.
            options: Further arguments of the model's call, e.g. `continue_final_message=True`.
        """
        if self.log is not None and (recalled := self.log.recall(key)) is not None:
            return recalled
        settings = {
            "temperature": self.temperature if temperature is None else temperature,
            "max_tokens": self.max_tokens,
            "seed": derive_seed(self.seed, seed_key or key),
        }
        outcome = await self._call_with_retries(messages, settings, options)
        if self.log is not None and isinstance(outcome, Reply):
            self.log.record(key, outcome)
        return outcome

    async def _call_with_retries(
        self, messages: list[BaseMessage], settings: dict[str, Any], options: dict[str, Any]
    ) -> Reply | Failure:
        jitter = random.Random(settings["seed"])
        started, attempt = time.monotonic(), 0
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                while True:
                    attempt += 1
                    try:
                        return await self._call_once(messages, settings, options, attempt)
                    except GraphBubbleUp:  # an `interrupt()` inside a model belongs to the graph and is no fault
                        raise
                    except (
                        InputError,
                        MissingDependencyError,
                        RunError,
                    ):  # the user must correct these; a retry cannot
                        raise
                    except Exception as error:  # noqa: BLE001 - any model class may raise anything: it becomes a record
                        fault = classify(error)
                        failure = Failure(kind=fault.kind, message=fault.message, attempts=attempt)
                        wait = fault.retry_after or 0.0
                        if not fault.retryable or attempt == MAX_ATTEMPTS or wait > MAX_RETRY_AFTER_SECONDS:
                            return failure
                        backoff = min(_BACKOFF_CAP_SECONDS, _BACKOFF_BASE_SECONDS * 2**attempt)
                        pause = max(wait, jitter.uniform(0, backoff))
                        logger.info("%s call failed (%s), again in %.1f s", self.role, fault.message, pause)
                    await self.sleep(pause)
        except TimeoutError:
            seconds = time.monotonic() - started
            return Failure(kind="timeout", message=f"no reply within {seconds:.0f} s", attempts=attempt)

    async def _call_once(
        self, messages: list[BaseMessage], settings: dict[str, Any], options: dict[str, Any], attempt: int
    ) -> Reply:
        settings = accepted_settings(self.model, settings)
        began, started = time.time(), time.perf_counter()
        message = await self.model.ainvoke(messages, **settings, **options)
        seconds = time.perf_counter() - started
        reasoning, text = split_reasoning(message.text[:MAX_REPLY_CHARS])
        return Reply(
            text=_valid_unicode(text),
            call=Call(
                model=_model_name(self.model),
                seed=settings.get("seed"),
                finish_reason=_finish_reason(message),
                usage=_usage(message),
                started=round(began, 4),
                seconds=round(seconds, 4),
                attempts=attempt,
                reasoning=_valid_unicode(reasoning or _reasoning_field(message)) or None,
            ),
        )


def can_continue(model: BaseChatModel) -> bool:
    """Tell whether a model's calls take `continue_final_message`, which continues a final message of its own."""
    return bool(getattr(type(model), "continues_final_message", False))


def accepted_settings(model: BaseChatModel, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Keep the settings that the model's class declares as fields: e.g. a seed is only sent if it has one."""
    fields = type(model).model_fields
    known = {*fields, *(field.alias for field in fields.values())}
    return {name: value for name, value in settings.items() if name in known}


def _valid_unicode(text: str) -> str:
    """Replace lone surrogates: servers send them, but files and databases cannot store them."""
    return text.encode("utf-8", "replace").decode()


def _model_name(model: BaseChatModel) -> str:
    names = (getattr(model, field, None) for field in ("recorded_name", "model_name", "model"))
    name = next(filter(None, names), None)
    return name if isinstance(name, str) else type(model).__name__


def _reasoning_field(message: AIMessage) -> str:
    blocks = (block for block in message.content_blocks if block["type"] == "reasoning")
    return "\n".join(block.get("reasoning", "") for block in blocks)


def _finish_reason(message: AIMessage) -> str | None:
    reason = message.response_metadata.get("finish_reason") or message.response_metadata.get("stop_reason")
    return "length" if reason in ("max_tokens", "MAX_TOKENS") else reason


def _usage(message: AIMessage) -> Usage:
    if (usage := message.usage_metadata) is None:
        return Usage(calls=1, unknown_calls=1)
    return Usage(
        calls=1,
        input_tokens=usage["input_tokens"],
        output_tokens=usage["output_tokens"],
        cached_tokens=usage.get("input_token_details", {}).get("cache_read", 0),
        reasoning_tokens=usage.get("output_token_details", {}).get("reasoning", 0),
    )
