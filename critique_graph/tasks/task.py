"""A task: how problems of a domain are asked, and how responses to them are read, judged and graded.

    row ─► question, reference ─► prompts ─► response ─► answer, steps ─► grade

The functions of a task are called where a problem is read, in the nodes, and where a response is graded; the rest of
the package does not know which domain it works on.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from critique_graph.core.errors import InputError
from critique_graph.core.prompts import DEFAULT_PROMPTS, Prompts
from critique_graph.core.schema import Grade
from critique_graph.core.steps import is_shortcut, split_steps
from critique_graph.grading.extract import extract_reference
from critique_graph.grading.grader import Grader, default_grader

Fields = Mapping[str, object]
"""A row of a problem set, by the names of its fields."""

_HINTS = re.compile(
    r"\b(?:reference|ground[ -]truth|gold|given|known|provided|expected)\s(?:final\s)?(?:answer|solution)\b|\bhints?\b",
    re.IGNORECASE,
)
BOXED_ENDING = "The answer is \\boxed{ANSWER}."
"""The last line that the default prompts ask for."""


def mentions_hints(critique: str) -> bool:
    """Tell whether a critique speaks of the hints that its annotator had and no critic has."""
    return _HINTS.search(critique) is not None


def prompts_ending_in(line: str) -> Prompts:
    """Give the default prompts with another last line of responses, `The answer is DATE.` for example."""
    changed = {
        name: {"ask": getattr(DEFAULT_PROMPTS, name).ask.replace(BOXED_ENDING, line)}
        for name in ("solve", "refine", "smooth")
    }
    return Prompts.model_validate(changed)


def stripped(text: str, _: Fields) -> str | None:
    """Give a reference as the row has it, without the space around it; None if it is empty."""
    return text.strip() or None


@dataclass(frozen=True, kw_only=True)
class Task:
    """A task. What is left out is as in mathematics, but references are taken as they stand.

    Example:
        >>> words = FunctionGrader(read=lambda text: text.split()[-1], is_correct=lambda answer, gold: answer == gold)
        >>> graph = create_actor_critic(task=Task(name="words", grader=words, prompts=prompts_ending_in("WORD")))
    """

    name: str
    """Name that runs and traces record; a run resumes with no other task."""
    grader: Grader
    """Reads the answer of a response, says whether two answers are equal, and grades an answer by the reference."""
    prompts: Prompts = DEFAULT_PROMPTS
    """Wording of the task."""
    question: Callable[[str, Fields], str] = lambda text, _: text
    """Makes the question that is asked, of the question in a row and the whole row; raises `ValueError` if the row
    cannot be used."""
    reference: Callable[[str, Fields], str | None] = stripped
    """Reads the reference answer in a row, with the whole row; None if there is none. Raises `ValueError` if it cannot
    be used. The row is empty for problems that do not come from a file."""
    has_own_fields: bool = False
    """Whether `question` and `reference` read fields of the row that no other task has; their texts are then empty."""
    split: Callable[[str], Sequence[str]] = split_steps
    """Splits a response into the steps that a critic judges: verbatim slices of it, in order."""
    leaks: Callable[[str], bool] = mentions_hints
    """Tells whether a critique of an annotator reveals what no critic knows."""
    answer_begins: str = "The answer is "
    """Beginning of the line with the answer, which `generate` begins for an actor that stopped without one; empty: it
    begins none."""
    is_arithmetic: bool = True
    """Whether responses work with numbers: then the corruptor `exact` can insert errors, and a refinement with at least
    three numbers fewer than the response counts as one that does not work out its answer."""
    evidence: Callable[[Grade], str] | None = None
    """Says what the critic is told of a response's grade, which is information from the reference; None: nothing."""
    require: Callable[[], None] = lambda: None
    """Raises `InputError` if this machine lacks what the task needs."""

    def worded(self, prompts: Prompts) -> Prompts:
        """Give a wording in which every node whose wording is the default has that of the task."""
        own = {
            name: getattr(self.prompts, name)
            for name in Prompts.model_fields
            if getattr(prompts, name) == getattr(DEFAULT_PROMPTS, name)
        }
        return prompts.model_copy(update=own)

    def is_shortcut(self, refinement: str, response: str) -> bool:
        """Tell whether a refinement gives an answer without working it out."""
        return self.is_arithmetic and is_shortcut(refinement, response)

    @property
    def has_own_steps(self) -> bool:
        """Whether responses are split in another way than in mathematics."""
        return self.split is not split_steps

    def refuse_own_steps(self, what: str) -> None:
        """Raise `InputError` if the task splits responses in its own way, for what cannot follow it."""
        if self.has_own_steps:
            raise InputError(f"task {self.name} splits responses into steps of its own, which {what} cannot follow.")

    def own_steps(self, response: str) -> tuple[str, ...] | None:
        """Give the steps of a response where the task has its own; None otherwise.

        Raises:
            ValueError: A step is no slice of the response, or the steps are out of order.
        """
        if not self.has_own_steps:
            return None
        steps, place = tuple(self.split(response)), 0
        for step in steps:
            place = response.find(step, place)
            if place < 0:
                raise ValueError(
                    f"task {self.name}: a step is no slice of the response, or out of order: {step[:80]!r}"
                )
            place += len(step)
        return steps


MATH = Task(
    name="math",
    grader=default_grader(),
    reference=lambda text, _: extract_reference(text),
    answer_begins="The answer is \\boxed{",
)
"""Mathematics, with answers in a box: the default."""
