"""A model whose skill at first responses, refinements and verdicts is set, each out of 256."""

import re
from typing import Any

from fakes import critique_text, reply, solution
from hashed_model import HashedModel, _luck
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult

CERTAIN = 256
ANSWERED = re.compile(r"boxed\{\d")
"""Found in prompts that hold a response, as those of refinements do."""


class Improving(HashedModel):
    """Adds two numbers; unlike `HashedModel` it may be better or worse once it has read a critique."""

    refined_skill: int = CERTAIN
    judgement: int = CERTAIN
    seeds: list[object] = []  # noqa: RUF012 - a pydantic field

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        prompt = "\n".join(message.text for message in messages)
        self.prompts.append(prompt)
        self.seeds.append(kwargs.get("seed"))
        for key, fault in self.faults.items():
            if key in prompt:
                raise fault
        numbers = re.search(r"What is (\d+) \+ (\d+)\?", prompt)
        assert numbers is not None
        total, luck = sum(map(int, numbers.groups())), _luck(prompt, kwargs.get("seed"))
        if "Check the response" in prompt:
            is_correct = f"boxed{{{total}}}" in prompt
            text = critique_text("Correct" if is_correct == (luck < self.judgement) else "Wrong")
        else:
            skill = self.refined_skill if ANSWERED.search(prompt) else self.skill
            text = solution(total if luck < skill else total + 1)
        return ChatResult(generations=[ChatGeneration(message=reply(text, output_tokens=luck))])
