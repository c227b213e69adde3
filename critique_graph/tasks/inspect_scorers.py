"""Scorers of inspect_ai as graders."""

from inspect_ai.model import ChatMessageAssistant, ModelName, ModelOutput
from inspect_ai.scorer import Scorer, Target
from inspect_ai.solver import TaskState

from critique_graph.grading.functions import IsCorrect, is_enough

_VALUES = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0}
"""What inspect_ai's words mean: correct, partial, incorrect, no answer."""


def inspect_scorer(scorer: Scorer, *, at_least: float = 1.0) -> IsCorrect:
    """Give `is_correct` of a `FunctionGrader` that asks a scorer of inspect_ai.

    The state that is scored has the answer as the model's output, and no input. An answer that is not scored is
    ungraded.

    Example:
        >>> grader = FunctionGrader(read=whole_response, is_correct=inspect_scorer(match(numeric=True)))

    Args:
        scorer: A scorer such as `inspect_ai.scorer.match()`.
        at_least: Lowest value of a correct answer; a partial one has 0.5.
    """

    async def is_correct(answer: str, reference: str) -> bool | None:
        state = TaskState(
            model=ModelName("none/critique-graph"),
            sample_id=0,
            epoch=1,
            input="",
            messages=[ChatMessageAssistant(content=answer)],
            target=Target(reference),
            output=ModelOutput.from_content("critique-graph", answer),
        )
        score = await scorer(state, Target(reference))
        value = None if score is None else score.value
        return is_enough(_VALUES.get(value, value) if isinstance(value, str) else value, at_least)

    return is_correct
