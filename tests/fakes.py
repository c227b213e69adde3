"""Scripted fakes: replies in, recorded prompts out."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, BaseCallbackHandler, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import Field

ReplyLike = str | AIMessage | BaseException


def reply(text: str, *, input_tokens: int = 10, output_tokens: int = 5, finish_reason: str = "stop") -> AIMessage:
    """A reply with usage, as a real engine gives it."""
    return AIMessage(
        text,
        usage_metadata={
            "input_tokens": input_tokens,
            "output_tokens": output_tokens,
            "total_tokens": input_tokens + output_tokens,
        },
        response_metadata={"finish_reason": finish_reason},
    )


class ScriptedModel(BaseChatModel):
    """Gives `replies` in turn (exceptions are raised), or what `answer` makes of the prompt; records every prompt."""

    model: str = "scripted"
    temperature: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    replies: list[Any] = Field(default_factory=list)
    answer: Callable[[Sequence[BaseMessage]], ReplyLike] | None = None
    prompts: list[list[BaseMessage]] = Field(default_factory=list)
    settings: list[dict[str, Any]] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        self.prompts.append(list(messages))
        self.settings.append(kwargs)
        given = self.answer(messages) if self.answer else self.replies.pop(0)
        if isinstance(given, BaseException):
            raise given
        message = reply(given) if isinstance(given, str) else given
        return ChatResult(generations=[ChatGeneration(message=message)])

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        await asyncio.sleep(0)
        return self._generate(messages, stop, **kwargs)

    @property
    def texts(self) -> list[str]:
        """The text of each prompt's last message."""
        return [prompt[-1].text for prompt in self.prompts]


def solution(answer: object, *steps: str) -> str:
    """A response that ends in `answer`."""
    return "\n".join((*(steps or ("3 + 4 = 7.",)), f"The answer is \\boxed{{{answer}}}."))


def critique_text(final: str, *steps: tuple[str, str]) -> str:
    """A critique in the nominal format; `steps` are (sentence, verdict)."""
    blocks = [
        f"Step sentence: {sentence}\nCorrectness of the step: {verdict}\nExplanation: because.\n"
        for sentence, verdict in steps or [("3 + 4 = 7.", final)]
    ]
    return "\n".join((*blocks, f"Correctness of the final answer: {final}\nExplanation: because."))


class RecordedCalls(BaseCallbackHandler):
    """Records what callbacks are told of every model call: its run name, tags and metadata."""

    run_inline = True

    def __init__(self) -> None:
        self.names: list[str | None] = []
        self.tags: list[list[str]] = []
        self.metadata: list[dict[str, Any]] = []

    def on_chat_model_start(self, serialized: Any, messages: Any, **told: Any) -> None:
        self.names.append(told["name"])
        self.tags.append(told["tags"])
        self.metadata.append(told["metadata"])

    def label(self, name: str) -> list[Any]:
        """What one label of this package says of every call; None where a call lacks it."""
        return [metadata.get(f"critique_graph_{name}") for metadata in self.metadata]
