"""Requests and replies of OpenAI's chat completions, as far as a pair of models can honour them."""

import time
import uuid
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, Field, field_validator

from critique_graph.core.schema import Usage

CANNOT = ("tools", "functions", "logprobs", "response_format")
"""What a request may not ask for: the loop would have to drop it silently."""


class Message(BaseModel):
    """One message of a conversation; content in parts is joined, if all parts are text."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str

    @field_validator("content", mode="before")
    @classmethod
    def _join(cls, given: Any) -> Any:
        if not isinstance(given, list):
            return given
        if any(not isinstance(part, Mapping) or part.get("type") != "text" for part in given):
            raise ValueError("only text can be read")
        return "".join(part["text"] for part in given)


class Streaming(BaseModel):
    """Options of a streamed reply."""

    include_usage: bool = False


class Request(BaseModel):
    """A request; settings that are absent are those of the server."""

    messages: list[Message] = Field(min_length=1)
    model: str | None = None
    n: int = Field(default=1, ge=1, le=1)
    stream: bool = False
    stream_options: Streaming | None = None
    temperature: float | None = Field(default=None, ge=0)
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    seed: int | None = None
    stop: str | list[str] | None = None

    def cut(self, text: str) -> str:
        """Cut the answer before the first of the strings at which it should stop."""
        stops = [self.stop] if isinstance(self.stop, str) else self.stop or []
        places = [text.index(stop) for stop in stops if stop and stop in text]
        return text[: min(places, default=len(text))]

    def question(self) -> str:
        """Give what the actor is asked: the last message, after the instructions and what was said before it.

        Raises:
            ValueError: The last message is not the user's, or has no text.
        """
        *before, asked = self.messages
        if asked.role != "user" or not asked.content.strip():
            raise ValueError("the last message must be the user's, with text.")
        told = [message.content for message in before if message.role in ("system", "developer")]
        said = [message for message in before if message.role in ("user", "assistant")]
        turns = [f"{message.role.capitalize()}: {message.content}" for message in said]
        return "\n\n".join([*told, *turns, f"User: {asked.content}" if turns else asked.content])

    def context(self, defaults: Mapping[str, Any]) -> dict[str, Any]:
        """Give the settings of the loop for this request."""
        asked = {
            "temperature": self.temperature,
            "max_tokens": self.max_completion_tokens or self.max_tokens,
            "seed": self.seed,
        }
        return {**defaults, **{name: value for name, value in asked.items() if value is not None}}


def refused(body: Mapping[str, Any]) -> str | None:
    """Say what a request asks for that cannot be honoured; None if there is nothing."""
    return next((f"{name} is not supported by this model." for name in CANNOT if _asks(body.get(name))), None)


def _asks(value: Any) -> bool:
    return bool(value) and value != {"type": "text"}


class Reply:
    """One reply of the pair, whole or in chunks."""

    def __init__(self, model: str) -> None:
        self._head = {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time()), "model": model}

    def whole(self, answer: Mapping[str, Any], reasoning: str) -> dict[str, Any]:
        """Give the reply as one object.

        Args:
            answer: `text`, `usage` by role and what the critic `found`.
            reasoning: What was written on the way.
        """
        message = {"role": "assistant", "content": answer["text"], "reasoning_content": reasoning}
        return {
            **self._head,
            "object": "chat.completion",
            "choices": [{"index": 0, "message": message, "finish_reason": answer["finish_reason"]}],
            "usage": usage_of(answer["usage"]),
            "critique_graph": answer["found"],
        }

    def chunk(self, delta: Mapping[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
        """Give a part of the reply."""
        choices = [{"index": 0, "delta": dict(delta), "finish_reason": finish_reason}]
        return {**self._head, "object": "chat.completion.chunk", "choices": choices}

    def last(self, usage: Mapping[str, Any]) -> dict[str, Any]:
        """Give the chunk with the usage, which has no choices."""
        return {**self._head, "object": "chat.completion.chunk", "choices": [], "usage": usage_of(usage)}


def usage_of(by_role: Mapping[str, Any]) -> dict[str, Any]:
    """Give the tokens of all calls, and those of each role beside them."""
    total = Usage.model_validate(by_role["total"])
    return {
        "prompt_tokens": total.input_tokens,
        "completion_tokens": total.output_tokens,
        "total_tokens": total.input_tokens + total.output_tokens,
        "by_role": {
            role: {"calls": each["calls"], "input": each["input_tokens"], "output": each["output_tokens"]}
            for role, each in by_role.items()
            if role != "total"
        },
    }
