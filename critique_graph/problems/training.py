"""Problems to make training data from: with references, no test split, no near copies."""

import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from critique_graph.core.errors import InputError
from critique_graph.core.schema import Problem
from critique_graph.problems.load import load_problems
from critique_graph.problems.near_copies import Overlap
from critique_graph.problems.settings import TrainingProblemSettings

_TEST_SPLIT = re.compile(r"hf:.*:.*:test")


@dataclass(frozen=True)
class TrainingProblems:
    """Problems to make data from."""

    read: Callable[[], Iterable[Problem]]
    """Gives them, as often as it is called."""
    total: int | None
    """None where that is not known before."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Near copies, by reason."""


def training_problems(settings: TrainingProblemSettings) -> TrainingProblems:
    """Find the problems that settings ask for; bad rows are found now, before any call.

    Raises:
        InputError: The set cannot be used, is one for tests, or has a problem without reference answer.
        MissingDependencyError: Something needs the extra `data`.
    """
    refuse_test_split(settings.problems)

    def read() -> Iterator[Problem]:
        found = load_problems(
            settings.problems,
            question_field=settings.question_field,
            answer_field=settings.answer_field,
            limit=settings.problem_limit,
            seed=settings.seed,
            split="train",
        )
        for problem in found:
            if problem.answer is None:
                raise InputError(f"problem {problem.id!r} has no reference answer; generation needs one.")
            yield problem

    if settings.exclude or settings.distinct:
        overlap = Overlap(problem for spec in settings.exclude for problem in load_problems(spec))
        fitting = list(overlap.distinct(read(), repeated=settings.distinct))
        return TrainingProblems(lambda: fitting, len(fitting), overlap.left_out)
    return TrainingProblems(read, None if settings.problems.startswith("hf:") else sum(1 for _ in read()))


def refuse_test_split(spec: str) -> None:
    """Raise `InputError` if a set of problems to learn from is named as a split for tests."""
    if _TEST_SPLIT.fullmatch(spec):
        raise InputError(f"{spec}: a test split makes no training data; name the one for training.")


def is_held_out(problem: str) -> bool:
    """Tell by a problem's id whether it is in the tenth that nothing is learned from, so that it can be measured on."""
    return zlib.crc32(problem.encode()) % 10 == 0
