"""Responses with a known first wrong step: from files in ProcessBench format, or the miniature's, labelled exactly.

`problems/labelled.py` says what such a file holds.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from critique_graph.core.errors import InputError
from critique_graph.metrics.judgement import NO_ERROR
from critique_graph.miniature.solutions import boxed_answer, check_response, first_error, written_steps
from critique_graph.miniature.task import Exercise, generate_exercises
from critique_graph.problems.labelled import LabelledProblem, labelled_problem
from critique_graph.problems.load import MINIATURE_LIMIT
from critique_graph.problems.rows import file_rows, hub_rows


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
            found = (labelled_problem(row, source, index) for index, row in enumerate(islice(rows, limit)))
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
