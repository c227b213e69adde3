"""The problems a verb works on: read lazily, checked before any call, for training without near copies."""

import hashlib
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Literal

from critique_graph.core.errors import InputError
from critique_graph.core.schema import Problem
from critique_graph.problems.load import load_problems
from critique_graph.problems.near_copies import Overlap
from critique_graph.problems.settings import ProblemSettings, TrainingProblemSettings

Problems = str | Path | Iterable[Problem]
"""`miniature`, a file, `hf:owner/name[:config[:split]]`, or the problems themselves."""
_TEST_SPLIT = re.compile(r"hf:.*:.*:test")


@dataclass(frozen=True)
class ProblemSet:
    """Problems to work on."""

    read: Callable[[], Iterable[Problem]]
    """Gives them, as often as it is called."""
    total: int | None
    """How many there are; None where that is not known before."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Number of near copies that were left out, by reason."""

    @classmethod
    def of(cls, problems: Sequence[Problem]) -> "ProblemSet":
        """Make a set of problems at hand."""
        return cls(lambda: problems, len(problems))


def find_problems(
    settings: ProblemSettings, given: Sequence[Problem] | None = None, *, needs_answer: str | None = None
) -> ProblemSet:
    """Find the problems that settings name; bad rows are found now, before any call.

    Args:
        settings: They name the set.
        given: The problems themselves, where settings name none that can be read.
        needs_answer: What needs the reference answers, for the message where one is missing; None: nothing does.

    Raises:
        InputError: The set cannot be used, or a problem without reference answer is in it.
        MissingDependencyError: The set needs the extra `data`.
    """
    return _counted(settings, given, split="test", needs_answer=needs_answer)


def find_training_problems(settings: TrainingProblemSettings, given: Sequence[Problem] | None = None) -> ProblemSet:
    """Find the problems to make training data from; see `find_problems`.

    Raises:
        InputError: The set cannot be used, is one for tests, or has a problem without reference answer.
        MissingDependencyError: Something needs the extra `data`.
    """
    refuse_test_split(settings.problems)
    found = _counted(settings, given, split="train", needs_answer="generation needs one")
    if not (settings.exclude or settings.distinct):
        return found
    overlap = Overlap(problem for spec in settings.exclude for problem in load_problems(spec))
    fitting = list(overlap.distinct(found.read(), repeated=settings.distinct))
    return ProblemSet(lambda: fitting, len(fitting), overlap.left_out)


def refuse_test_split(spec: str) -> None:
    """Raise `InputError` if a set of problems to learn from is named as a split for tests."""
    if _TEST_SPLIT.fullmatch(spec):
        raise InputError(f"{spec}: a test split makes no training data; name the one for training.")


def is_held_out(problem: str) -> bool:
    """Tell by a problem's id whether it is in the tenth that nothing is learned from, so that it can be measured on."""
    return zlib.crc32(problem.encode()) % 10 == 0


def name_of_problems(problems: Problems) -> str:
    """Give the name that settings record: of problems at hand, a hash, so that a run resumes with the same alone."""
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
    if given is not None:
        _refuse_repeated_ids(given)

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
            )
        )
        for problem in found:
            if needs_answer is not None and problem.reference is None:
                raise InputError(f"problem {problem.id!r} has no reference answer; {needs_answer}.")
            yield problem

    is_far = settings.problems.startswith("hf:")
    return ProblemSet(read, None if is_far else sum(1 for _ in read()))


def _refuse_repeated_ids(problems: Sequence[Problem]) -> None:
    if not problems:
        raise InputError("there are no problems: the iterable is empty.")
    seen: set[str] = set()
    for problem in problems:
        if problem.id in seen:
            raise InputError(f"the id {problem.id!r} is there twice. Give every problem its own.")
        seen.add(problem.id)
