"""Reward functions of TRL as graders."""

import asyncio
from collections.abc import Callable
from inspect import iscoroutinefunction
from typing import Any

from critique_graph.grading.functions import IsCorrect, is_enough


def trl_reward(
    reward: Callable[..., Any], *, column: str = "solution", at_least: float = 1.0, is_conversational: bool = True
) -> IsCorrect:
    """Give `is_correct` of a `FunctionGrader` that asks a reward function of TRL, in a thread.

    The function gets the completion and the reference, not the prompt. A reward of None leaves an answer ungraded.

    Example:
        >>> grader = FunctionGrader(read=whole_response, is_correct=trl_reward(accuracy_reward))

    Args:
        reward: A function such as `trl.rewards.accuracy_reward`.
        column: Name under which the function wants the reference.
        at_least: Lowest reward of a correct answer.
        is_conversational: Whether the function wants a completion as messages, and not as text.
    """

    async def is_correct(answer: str, reference: str) -> bool | None:
        completion = [{"role": "assistant", "content": answer}] if is_conversational else answer
        asked = {"completions": [completion], column: [reference]}
        rewards = await (reward(**asked) if iscoroutinefunction(reward) else asyncio.to_thread(reward, **asked))
        return is_enough(rewards[0], at_least)

    return is_correct
