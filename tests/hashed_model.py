"""A chat model whose replies depend on prompt and seed alone: the same in every process."""

import asyncio
import hashlib
import re
from typing import Any

from fakes import critique_text, reply, solution
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import Field

from critique_graph.core.schema import Problem


def addition_problems(count: int) -> list[Problem]:
    return [
        Problem(id=f"p{i}", question=f"What is {i} + {i * 7 % 13}?", answer=str(i + i * 7 % 13), level=i % 3)
        for i in range(count)
    ]


class HashedModel(BaseChatModel):
    """Adds two numbers, rightly or not, and judges sums, rightly or not, as a hash decides."""

    model: str = "hashed"
    temperature: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    latency: float = 0.0
    """Seconds a call takes at most."""
    skill: int = 128
    """Of 256 sums, those it gets right."""
    faults: dict[str, Exception] = Field(default_factory=dict)
    """What a prompt that contains the key raises."""
    prompts: list[str] = Field(default_factory=list)
    """The last message of every call."""

    @property
    def _llm_type(self) -> str:
        return "hashed"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        prompt = "\n".join(message.text for message in messages)
        self.prompts.append(messages[-1].text)
        for key, fault in self.faults.items():
            if key in prompt:
                raise fault
        numbers = re.search(r"What is (\d+) \+ (\d+)\?", prompt)
        assert numbers is not None
        total, luck = sum(map(int, numbers.groups())), _luck(prompt, kwargs.get("seed"))
        if "Check the response" in prompt:
            is_correct = f"boxed{{{total}}}" in prompt
            text = critique_text("Correct" if is_correct == (luck < 200) else "Wrong")
        else:
            text = solution(total if luck < self.skill else total + 1)
        return ChatResult(generations=[ChatGeneration(message=reply(text, output_tokens=luck))])

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        prompt = "\n".join(message.text for message in messages)
        await asyncio.sleep(self.latency * _luck(prompt, kwargs.get("seed")) / 255)
        return self._generate(messages, stop, **kwargs)


def _luck(prompt: str, seed: object) -> int:
    """A number from 0 to 255."""
    return hashlib.sha256(f"{seed}\n{prompt}".encode()).digest()[0]
