"""Responses with a known first wrong step: from files in ProcessBench format, or the miniature's, labelled exactly.

A row has `problem` (or another name of the question), `steps`, a list of texts, and `label`, the 0-based index of the
first wrong step, or -1 if no step is wrong.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from pydantic import JsonValue

from critique_graph.core.errors import InputError
from critique_graph.core.schema import Problem
from critique_graph.metrics.judgement import NO_ERROR
from critique_graph.miniature.solutions import boxed_answer, check_response, first_error, written_steps
from critique_graph.miniature.task import Exercise, generate_exercises
from critique_graph.problems.load import ID_FIELDS, MINIATURE_LIMIT, QUESTION_FIELDS
from critique_graph.problems.rows import FileRow, file_rows, hub_rows


class LabelledProblem(Problem):
    """A question with the steps of a response to judge; without steps, the actor writes the response."""

    steps: tuple[str, ...] = ()
    label: int | None = None
    """0-based index of the first wrong step, or `NO_ERROR`; None if it is computed from the response."""

    def to_input(self) -> dict[str, JsonValue]:
        return super().to_input() | {"steps": list(self.steps)}


@dataclass(frozen=True)
class Case:
    """The steps of a response, and the index of the first wrong one."""

    steps: tuple[str, ...]
    label: int


def labelled_problems(sources: tuple[str, ...], *, limit: int | None, seed: int) -> Iterator[LabelledProblem]:
    """Give the responses of several sources.

    Args:
        sources: Files (as in `load_problems`), `hf:owner/name[:config[:split]]`, or `miniature`.
        limit: Maximum number of responses from each source.
        seed: Seed for drawing the miniature's problems.

    Raises:
        InputError: A source, or a row of it, cannot be used.
    """
    seen: dict[str, str] = {}
    for source in sources:
        if source == "miniature":
            found = (LabelledProblem(**exercise.problem.model_dump()) for exercise in _exercises(limit, seed))
        else:
            rows = hub_rows(source) if source.startswith("hf:") else file_rows(Path(source))
            found = (_from_row(row, source, index) for index, row in enumerate(islice(rows, limit)))
        for problem in found:
            if problem.id in seen:
                raise InputError(f"{source}: the id {problem.id!r} is there already, in {seen[problem.id]}.")
            seen[problem.id] = source
            yield problem
    if not seen:
        raise InputError(f"{', '.join(sources)}: there are no responses in it.")


def miniature_cases(limit: int | None, seed: int) -> dict[str, Exercise]:
    """Give the miniature's exercises by the id of their problem; `exact_case` labels responses with them."""
    return {exercise.problem.id: exercise for exercise in _exercises(limit, seed)}


def exact_case(exercise: Exercise, response: str) -> Case | None:
    """Label a response to one of the miniature's problems, checking each step with the values of the response.

    None if every step is correct and the answer is not: steps are missing or superfluous, and no step is to blame.
    """
    steps = written_steps(response)
    error = first_error(check_response(exercise, response))
    if error is None and boxed_answer(response) != exercise.problem.answer:
        return None
    answers = [line for line in response.splitlines() if line.strip() and line not in steps]
    return Case((*steps, *answers), NO_ERROR if error is None else error)


def _exercises(limit: int | None, seed: int) -> Iterator[Exercise]:
    return generate_exercises(limit or MINIATURE_LIMIT, seed=seed, split="test")


def _from_row(row: FileRow, source: str, index: int) -> LabelledProblem:
    question = next((row.fields[name] for name in QUESTION_FIELDS if name in row.fields), None)
    steps, label = row.fields.get("steps"), row.fields.get("label")
    if not isinstance(question, str) or not question.strip():
        row.refuse(f"there is no question ({' or '.join(map(repr, QUESTION_FIELDS))}) in it.")
    if not isinstance(steps, list) or not steps or not all(isinstance(step, str) for step in steps):
        row.refuse("the field 'steps' must be a list of texts, one a step of the response.")
    first = str(label)
    if not first.removeprefix("-").isdecimal() or not NO_ERROR <= int(first) < len(steps):
        row.refuse(f"the field 'label' must be the 0-based index of a step, or -1, got {label!r}.")
    named = next((str(row.fields[name]) for name in ID_FIELDS if name in row.fields), None)
    return LabelledProblem(
        id=named or f"{Path(source).name.split('.')[0]}/{index:06d}",
        question=question.strip(),
        source=source,
        steps=tuple(steps),
        label=int(first),
    )
