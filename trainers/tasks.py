"""One function a task: the row that a judged response makes. A new task is one more function, and its name in `Task`.

`candidates.py` fills `Judged` from data sets of `generate` and from traces of `run`; no function here knows which.
"""

from collections.abc import Callable
from dataclasses import dataclass

from critique_graph.core.steps import split_steps
from critique_graph.nodes.critique import critique_messages
from critique_graph.nodes.refine import refine_messages
from critique_graph.nodes.solve import solve_messages
from critique_graph.trainers.rows import AnyRow, PreferenceRow, StepRow, Task, TrainingRow, preference_row, row


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A response, its critique, and what the actor made of it."""

    problem: str
    """The problem's id."""
    level: int | None
    """The problem's level of difficulty, where it has one."""
    question: str
    response: str
    is_correct: bool
    """Whether the response is complete and has the reference's answer."""
    is_first: bool = True
    """Whether the response is no refinement and is judged for the first time, so that an actor learns it once."""
    critique: str = ""
    """Empty where the response was not critiqued."""
    is_reliable: bool = False
    """Whether a critic may learn the critique: it agrees with the reference and, of a wrong response, helped."""
    reasoning: str | None = None
    """What was written before the critique, where that is known and is to be learned."""
    first_error: int | None = None
    """0-based index of the first step that is wrong by the critique."""
    refinement: str | None = None
    """A correct refinement of a wrong response, written with the critique; None where there is none."""


def critic(judged: Judged) -> TrainingRow | None:
    """Problem and response, to the critique, and to the reasoning before it."""
    if not judged.is_reliable:
        return None
    thoughts = f"<think>\n{judged.reasoning}\n</think>\n\n" if judged.reasoning else ""
    return row(critique_messages(judged.question, judged.response), thoughts + judged.critique)


def refiner(judged: Judged) -> TrainingRow | None:
    """Problem, wrong response and critique, to a correct refinement."""
    if judged.refinement is None:
        return None
    return row(refine_messages(judged.question, judged.response, judged.critique), judged.refinement)


def actor(judged: Judged) -> TrainingRow | None:
    """Problem, to the correct response, or to the correct refinement of a wrong one."""
    learned = judged.response if judged.is_correct and judged.is_first else judged.refinement
    return None if learned is None else row(solve_messages(judged.question), learned)


def preference(judged: Judged) -> PreferenceRow | None:
    """Problem, to a correct refinement rather than the wrong response."""
    if judged.refinement is None:
        return None
    return preference_row(solve_messages(judged.question), judged.refinement, judged.response)


def step_critic(judged: Judged) -> StepRow | None:
    """Problem and steps, to whether each is correct.

    What follows the first wrong step has no label and is left out. A wrong response whose critique finds no wrong step
    makes no row.
    """
    if not judged.is_reliable or (judged.first_error is None and not judged.is_correct):
        return None
    steps = list(split_steps(judged.response))
    labels = [True] * len(steps)
    if not judged.is_correct and judged.first_error is not None:
        labels = [*[True] * judged.first_error, False]
    return {"prompt": judged.question, "completions": steps[: len(labels)], "labels": labels}


def self_correction(judged: Judged) -> TrainingRow | None:
    """Problem, to the response, its critique, and the correct refinement of a wrong response, as one text."""
    if not judged.is_reliable or (judged.refinement is None and not judged.is_correct):
        return None
    refinement = [] if judged.refinement is None else [judged.refinement]
    return row(solve_messages(judged.question), corrected(judged.response, judged.critique, *refinement))


def corrected(*parts: str) -> str:
    """Join whole responses and whole critiques to what one model writes that corrects itself; its answer comes last."""
    return "\n\n".join(part.strip() for part in parts)


ROW_MAKERS: dict[Task, Callable[[Judged], AnyRow | None]] = {
    "critic": critic,
    "refiner": refiner,
    "actor": actor,
    "preference": preference,
    "step-critic": step_critic,
    "self-correction": self_correction,
}
"""The tasks whose rows are made of one judged response each."""
