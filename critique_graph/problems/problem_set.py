"""The problems a verb works on: read one by one, checked before any call, and for training without near copies."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Literal

from critique_graph.core.errors import InputError
from critique_graph.core.schema import Problem
from critique_graph.problems.held_out import public_test_set, refuse_test_split
from critique_graph.problems.load import load_problems
from critique_graph.problems.near_copies import Overlap
from critique_graph.problems.settings import ProblemSettings, TrainingProblemSettings
from critique_graph.tasks.task import Task

Problems = str | Path | Iterable[Problem]
"""`miniature`, a file, `hf:owner/name[:config[:split]]`, or the problems themselves."""


@dataclass(frozen=True)
class ProblemSet:
    """Problems to work on."""

    read: Callable[[], Iterable[Problem]]
    """Gives the problems; it can be called several times."""
    total: int | None
    """Number of problems; None if it is not known before they are read."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Number of problems that were left out, by reason: near copies, and questions of public test sets (`test`)."""

    @classmethod
    def of(cls, problems: Sequence[Problem]) -> "ProblemSet":
        """Make a set from problems in memory; raises `InputError` if two of them have one id."""
        if problems:
            refuse_repeated_ids(problems)
        return cls(lambda: problems, len(problems))


def find_problems(
    settings: ProblemSettings, given: Sequence[Problem] | None = None, *, needs_answer: str | None = None
) -> ProblemSet:
    """Find the problems that settings name; unusable rows are reported now, before any call.

    Args:
        settings: The settings, which name the set.
        given: The problems themselves, if the settings do not name a set that can be read.
        needs_answer: Text for the error message that says what needs the reference answers; None if nothing needs them.

    Raises:
        InputError: The set cannot be used, a needed reference answer is missing, or this machine lacks what the task
            needs.
        MissingDependencyError: The set needs the extra `data`.
    """
    return _counted(settings, given, split="test", needs_answer=needs_answer)


def find_training_problems(settings: TrainingProblemSettings, given: Sequence[Problem] | None = None) -> ProblemSet:
    """Find the problems to make training data from; see `find_problems`.

    Raises:
        InputError: The set cannot be used, is a test set, or has a problem without reference answer.
        MissingDependencyError: The extra `data` is needed.
    """
    refuse_test_split(settings.problems)
    found = without_test_questions(_counted(settings, given, split="train", needs_answer="generation needs one"))
    if not (settings.exclude or settings.distinct):
        return found
    overlap = Overlap(problem for spec in settings.exclude for problem in load_problems(spec))
    fitting = list(overlap.distinct(found.read(), repeated=settings.distinct))
    return ProblemSet(lambda: fitting, len(fitting), {**found.left_out, **overlap.left_out})


def without_test_questions(found: ProblemSet) -> ProblemSet:
    """Leave questions of public test sets out of a set to learn from.

    Raises:
        InputError: All problems are such questions; for a set whose size is not known, raised when it has been read.
    """
    left_out: dict[str, int] = {}

    def read() -> Iterator[Problem]:
        total = fitting = 0
        for total, problem in enumerate(found.read(), start=1):
            if (name := public_test_set(problem.question)) is None:
                fitting += 1
                yield problem
            else:
                left_out["test"] = total - fitting
        if total and not fitting:
            raise InputError(f"all {total} problems are questions of {name}, which make no training data.")

    return ProblemSet(read, None if found.total is None else sum(1 for _ in read()), left_out)


def name_of_problems(problems: Problems) -> str:
    """Give the name that settings record: for problems in memory a hash, so only the same problems resume a run."""
    if isinstance(problems, str | Path):
        return str(problems)
    digest = hashlib.sha256("\n".join(problem.model_dump_json() for problem in problems).encode())
    return f"given:{digest.hexdigest()[:12]}"


def _counted(
    settings: ProblemSettings,
    given: Sequence[Problem] | None,
    *,
    split: Literal["train", "test"],
    needs_answer: str | None,
) -> ProblemSet:
    settings.task.require()
    if given is not None:
        refuse_repeated_ids(given)

    def read() -> Iterator[Problem]:
        found = (
            islice(given, settings.limit)
            if given is not None
            else load_problems(
                settings.problems,
                question_field=settings.question_field,
                answer_field=settings.answer_field,
                limit=settings.problem_limit,
                seed=settings.seed,
                split=split,
                with_solutions=settings.with_solutions,
                task=settings.task,
            )
        )
        for problem in found:
            if problem.answer is not None and (given is not None or settings.problems == "miniature"):
                _check_reference(problem, settings.task)
            if needs_answer is not None and problem.answer is None:
                raise InputError(f"problem {problem.id!r} has no reference answer; {needs_answer}.")
            yield problem

    is_far = settings.problems.startswith("hf:")
    return ProblemSet(read, None if is_far else sum(1 for _ in read()))


def _check_reference(problem: Problem, task: Task) -> None:
    """Check that a task can use the reference of a problem that comes from no file."""
    assert problem.answer is not None
    try:
        task.reference(problem.answer, {})
    except ValueError as error:
        raise InputError(f"problem {problem.id!r} is not of the task {task.name}: {error}.") from None


def refuse_repeated_ids(problems: Sequence[Problem]) -> None:
    """Raise `InputError` if no problem is given, or two of them have one id: an id names a problem in a run."""
    if not problems:
        raise InputError("there are no problems: the iterable is empty.")
    seen: set[str] = set()
    for problem in problems:
        if problem.id in seen:
            raise InputError(f"the id {problem.id!r} is there twice. Give every problem its own.")
        seen.add(problem.id)
