"""The problems of self-improvement: for training, validation and test."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from critique_graph.core.errors import InputError
from critique_graph.core.schema import Problem
from critique_graph.improve.settings import ImproveSettings
from critique_graph.problems.held_out import is_held_out, question_key, refuse_test_question, refuse_test_split
from critique_graph.problems.load import load_problems
from critique_graph.problems.problem_set import (
    Problems,
    ProblemSet,
    name_of_problems,
    refuse_repeated_ids,
    without_test_questions,
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ImprovementProblems:
    """The problems of self-improvement; no problem is in two of the sets.

    Raises:
        InputError: A training problem is a validation or test problem, also in another spelling, or a question of a
            public test set.
    """

    training: Sequence[Problem]
    """Problems that are explored and learned from; each has a reference answer."""
    validation: Sequence[Problem]
    """Problems by which the best iteration is chosen."""
    test: Sequence[Problem]
    """Problems that only measure; if empty, the validation problems measure."""

    def __post_init__(self) -> None:
        asked = {question_key(problem.question) for problem in (*self.validation, *self.test)}
        for problem in self.training:
            refuse_test_question(problem.id, problem.question)
            if question_key(problem.question) in asked:
                raise InputError(
                    f"problem {problem.id!r} is a training problem and also a validation or test problem; "
                    "remove it from one."
                )

    @property
    def name(self) -> str:
        """Hash of the sets for the recorded settings, so that a run only resumes with the same problems."""
        return name_of_problems([*self.training, *self.validation, *self.test])


VALIDATION, TEST = 200, 300
"""Default numbers of problems from the miniature's own splits."""


def improvement_problems(settings: ImproveSettings, problems: Problems | None = None) -> ImprovementProblems:
    """Find the problems that the settings name.

    Args:
        settings: Settings that name the sets.
        problems: The training problems themselves, if they are not to be read from a file.

    Raises:
        InputError: A set cannot be used, the training problems are test problems, a problem has no reference answer,
            or a problem is in two sets.
    """
    refuse_test_split(settings.problems)
    load = partial(
        load_problems,
        question_field=settings.question_field,
        answer_field=settings.answer_field,
        task=settings.task,
    )
    is_miniature = settings.problems == "miniature"

    def read(spec: str, limit: int | None, split: Any) -> list[Problem]:
        limit = limit or ({"validation": VALIDATION, "test": TEST}.get(split) if spec == "miniature" else None)
        return [_with_answer(problem) for problem in load(spec, limit=limit, seed=settings.seed, split=split)]

    if problems is None or isinstance(problems, str | Path):
        training = read(settings.problems, settings.problem_limit, "train")
    else:
        refuse_repeated_ids(tuple(problems))
        training = [_with_answer(problem) for problem in islice(problems, settings.limit)]
    allowed = without_test_questions(ProblemSet.of(training))
    training = list(allowed.read())
    if allowed.left_out:
        logger.warning("%d training problems are questions of public test sets: left out", allowed.left_out["test"])
    if settings.validation is not None or is_miniature:
        validation = read(settings.validation or "miniature", settings.validation_limit, "validation")
    else:
        validation = [problem for problem in training if is_held_out(problem.id)][: settings.validation_limit]
        training = [problem for problem in training if not is_held_out(problem.id)]
    test: list[Problem] = []
    if settings.test is not None or is_miniature:
        test = read(settings.test or "miniature", settings.test_limit, "test")
    if not validation or not training:
        raise InputError(
            f"{settings.problems}: too few problems to hold some out; name a validation set with --validation."
        )
    return ImprovementProblems(training, validation, test)


def miniature_problems(
    *, training: int = 300, validation: int = VALIDATION, test: int = TEST, seed: int = 0
) -> ImprovementProblems:
    """Give problems of the miniature's three splits, which share no problem."""
    return ImprovementProblems(
        training=list(load_problems("miniature", limit=training, seed=seed, split="train")),
        validation=list(load_problems("miniature", limit=validation, seed=seed, split="validation")),
        test=list(load_problems("miniature", limit=test, seed=seed, split="test")),
    )


def _with_answer(problem: Problem) -> Problem:
    if problem.answer is None:
        raise InputError(f"problem {problem.id!r} has no reference answer; self-improvement needs one.")
    return problem
