"""Makes training rows from judged responses, with one function for each task.

A new task needs a function here and a name in `Task`. `candidates.py` makes `Judged` from data sets of `generate` and
from traces of `run`; the functions here do not distinguish them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from langchain_core.messages import BaseMessage

from critique_graph.core.prompts import DEFAULT_PROMPTS, Prompts
from critique_graph.core.steps import split_steps
from critique_graph.nodes.critique import critique_messages
from critique_graph.nodes.refine import refine_messages
from critique_graph.nodes.solve import solve_messages
from critique_graph.trainers.rows import (
    AnyRow,
    LabelledRow,
    PreferenceRow,
    StepRow,
    Task,
    TrainingRow,
    labelled_row,
    preference_row,
    row,
)


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A response, its critique, and the refinement that the actor wrote with it."""

    problem: str
    """Id of the problem."""
    level: int | None
    """Level of difficulty of the problem; None if it has none."""
    question: str
    response: str
    is_correct: bool
    """Whether the response is complete and has the reference's answer."""
    is_first: bool = True
    """Whether the response is not a refinement and is judged for the first time, so that an actor learns it once."""
    critique: str = ""
    """Text of the critique; empty if the response was not critiqued."""
    is_reliable: bool = False
    """Whether a critic may learn the critique: it agrees with the reference and, for a wrong response, it helped."""
    is_misleading: bool = False
    """Whether a critic should avoid the critique: it is unreadable, it disagrees with the reference, or too few of
    several refinements with it are correct. A critique that was tried in one refinement alone, which failed, is
    neither reliable nor misleading."""
    reasoning: str | None = None
    """Reasoning that was written before the critique; None if it is unknown or not to be learned."""
    first_error: int | None = None
    """0-based index of the first step that the critique calls wrong."""
    refinement: str | None = None
    """Correct refinement of a wrong response, written with the critique; None if there is none."""
    prompts: Prompts = DEFAULT_PROMPTS
    """Wording of the prompts in the rows."""
    own_steps: tuple[str, ...] | None = None
    """Steps of the response where the problem's task has its own; None: those of `split_steps`."""
    evidence: str = ""
    """What the critic was told of the response's grade."""


def critic(judged: Judged) -> TrainingRow | None:
    """Make a row from problem and response to the critique, with the reasoning before it if there is any."""
    return row(_critique_prompt(judged), _whole_critique(judged)) if judged.is_reliable else None


def critic_kto(judged: Judged) -> LabelledRow | None:
    """Make a row like that of `critic`, with whether the critique is reliable; None if it is not known to be either."""
    if judged.is_reliable == judged.is_misleading:
        return None
    return labelled_row(_critique_prompt(judged), _whole_critique(judged), label=judged.is_reliable)


def _critique_prompt(judged: Judged) -> list[BaseMessage]:
    return critique_messages(
        judged.question, judged.response, judged.prompts, steps=judged.own_steps, evidence=judged.evidence
    )


def _whole_critique(judged: Judged) -> str:
    thoughts = f"<think>\n{judged.reasoning}\n</think>\n\n" if judged.reasoning else ""
    return thoughts + judged.critique


def refiner(judged: Judged) -> TrainingRow | None:
    """Make a row from problem, wrong response and critique to a correct refinement."""
    if judged.refinement is None:
        return None
    return row(refine_messages(judged.question, judged.response, judged.critique, judged.prompts), judged.refinement)


def actor(judged: Judged) -> TrainingRow | None:
    """Make a row from the problem to the correct response, or to the correct refinement of a wrong response."""
    learned = judged.response if judged.is_correct and judged.is_first else judged.refinement
    return None if learned is None else row(solve_messages(judged.question, judged.prompts), learned)


def preference(judged: Judged) -> PreferenceRow | None:
    """Make a row that prefers, for a problem, a correct refinement to the wrong response."""
    if judged.refinement is None:
        return None
    return preference_row(solve_messages(judged.question, judged.prompts), judged.refinement, judged.response)


def kto(judged: Judged) -> list[LabelledRow]:
    """Make a row from the problem to the response, with whether it is correct, and one to its correct refinement."""
    prompt = solve_messages(judged.question, judged.prompts)
    made = [labelled_row(prompt, judged.response, label=judged.is_correct)] if judged.is_first else []
    if judged.refinement is not None:
        made.append(labelled_row(prompt, judged.refinement, label=True))
    return made


def step_critic(judged: Judged) -> StepRow | None:
    """Make a row from problem and steps to whether each step is correct.

    Steps after the first wrong one have no label and are left out. A wrong response whose critique finds no wrong step
    makes no row.
    """
    if not judged.is_reliable or (judged.first_error is None and not judged.is_correct):
        return None
    steps = list(split_steps(judged.response) if judged.own_steps is None else judged.own_steps)
    labels = [True] * len(steps)
    if not judged.is_correct and judged.first_error is not None:
        labels = [*[True] * judged.first_error, False]
    return {"prompt": judged.question, "completions": steps[: len(labels)], "labels": labels}


def self_correction(judged: Judged) -> TrainingRow | None:
    """Make a row from the problem to one text: response, critique and, for a wrong response, its correct refinement."""
    if not judged.is_reliable or (judged.refinement is None and not judged.is_correct):
        return None
    refinement = [] if judged.refinement is None else [judged.refinement]
    return row(
        solve_messages(judged.question, judged.prompts), corrected(judged.response, judged.critique, *refinement)
    )


def corrected(*parts: str) -> str:
    """Join whole responses and whole critiques into the text of a self-correcting model; its answer comes last."""
    return "\n\n".join(part.strip() for part in parts)


def _alone(make: Callable[[Judged], AnyRow | None]) -> Callable[[Judged], Sequence[AnyRow]]:
    """Give a function of which every response makes one row or none the form that all functions have."""

    def rows(judged: Judged) -> Sequence[AnyRow]:
        made = make(judged)
        return [] if made is None else [made]

    return rows


ROW_MAKERS: dict[Task, Callable[[Judged], Sequence[AnyRow]]] = {
    "critic": _alone(critic),
    "refiner": _alone(refiner),
    "actor": _alone(actor),
    "preference": _alone(preference),
    "kto": kto,
    "critic-kto": _alone(critic_kto),
    "step-critic": _alone(step_critic),
    "self-correction": _alone(self_correction),
}
"""Tasks whose rows are made from one judged response each."""
