"""Evaluators of openevals and LangSmith as graders."""

import asyncio
from collections.abc import Callable, Mapping
from inspect import isawaitable
from typing import Any

from critique_graph.grading.functions import IsCorrect, is_enough


def langsmith_evaluator(evaluator: Callable[..., Any], *, at_least: float = 1.0) -> IsCorrect:
    """Give `is_correct` of a `FunctionGrader` that asks an evaluator of openevals or LangSmith, in a thread.

    The evaluator gets the answer as `outputs` and the reference as `reference_outputs`, not the question. It gives a
    score, or a record with one; a score of None leaves an answer ungraded.

    Example:
        >>> grader = FunctionGrader(read=whole_response, is_correct=langsmith_evaluator(exact_match))

    Args:
        evaluator: A function such as `openevals.exact_match`, or what `create_llm_as_judge` gives; it may be a
            coroutine function.
        at_least: Lowest score of a correct answer.
    """

    async def is_correct(answer: str, reference: str) -> bool | None:
        found = await asyncio.to_thread(evaluator, outputs=answer, reference_outputs=reference)
        if isawaitable(found):
            found = await found
        if isinstance(found, Mapping):
            found = found["score"]
        return is_enough(getattr(found, "score", found), at_least)  # LangSmith's EvaluationResult has an attribute

    return is_correct
