"""The rows that each stage of the miniature's training learns: several kinds, in fixed shares (ours)."""

import random
from collections.abc import Sequence
from itertools import islice

from critique_graph.miniature.solutions import gold_response, misnamed_response
from critique_graph.miniature.task import Exercise, generate_exercises
from critique_graph.miniature_training.data import (
    correction_rows,
    corrupted,
    critique_row,
    drill_rows,
    is_correct,
    note_row,
    refine_row,
    retry_row,
    solve_row,
)
from critique_graph.trainers.rows import TrainingRow

BATCH_SIZE = 8
"""Number of rows per optimizer step."""
SHORT = 3
"""Maximum number of steps of a short problem."""


def base_rows(steps: int, seed: int) -> list[TrainingRow]:
    """Make solutions, critiques, refinements, drills, corrections and notes: 5, 5, 4, 4, 1 and 1 rows of twenty."""
    rng, n = random.Random(seed), steps * BATCH_SIZE
    rows = _short_refinements(n * 4 // 20, seed, rng) + _drills(n * 4 // 20, seed, rng)
    rows += correction_rows(n // 20, rng)
    exercises = generate_exercises(n - len(rows), seed=seed, split="train")
    rows += [solve_row(exercise) for exercise in islice(exercises, n * 5 // 20)]
    rows += [note_row(exercise) for exercise in islice(exercises, n // 20)]
    return rows + [_corrupted_or_correct(exercise, rng) for exercise in exercises]


def _short_refinements(n: int, seed: int, rng: random.Random) -> list[TrainingRow]:
    """Make refinements of corrupted short solutions, where the corrected step is a larger part of what is learned."""
    exercises = generate_exercises(10 * n, seed=seed + 2_000_000, split="train")
    short = islice((exercise for exercise in exercises if len(exercise.operations) <= SHORT), n)
    return [_refine_or_retry(exercise, corrupted(exercise, rng), rng) for exercise in short]


def _refine_or_retry(exercise: Exercise, response: str, rng: random.Random) -> TrainingRow:
    return (retry_row if rng.random() < 0.1 else refine_row)(exercise, response)


def _drills(n: int, seed: int, rng: random.Random) -> list[TrainingRow]:
    exercises = list(generate_exercises(6 * n, seed=seed + 1_000_000, split="train"))
    return drill_rows(exercises, rng)[:n]


def solver_rows(steps: int, written: Sequence[tuple[Exercise, str]], seed: int) -> list[TrainingRow]:
    """Make solutions (6 rows of twelve), refinements (4), corrections (1) and drills (1).

    Three of the four refinements are of wrong responses in `written`, one is of a short problem; if `written` has too
    few wrong responses, more are of short problems. One refinement in ten has no critique.
    """
    rng, n = random.Random(seed), steps * BATCH_SIZE
    rows = [solve_row(exercise) for exercise in generate_exercises(n * 6 // 12, seed=seed, split="train")]
    rows += correction_rows(n // 12, rng) + _drills(n // 12, seed, rng)
    wrong = [pair for pair in written if not is_correct(*pair)][: n * 3 // 12]
    rows += [_refine_or_retry(*pair, rng) for pair in wrong]
    return rows + _short_refinements(n - len(rows), seed, rng)


def actor_rows(steps: int, written: Sequence[tuple[Exercise, str]], seed: int) -> list[TrainingRow]:
    """Make refinements of wrong ones in `written` (1/2), solutions and corrections (1/8 each), short refinements."""
    rng, n = random.Random(seed), steps * BATCH_SIZE
    wrong = [pair for pair in written if not is_correct(*pair)][: n // 2]
    rows = [_refine_or_retry(*pair, rng) for pair in wrong]
    rows += [solve_row(exercise) for exercise in generate_exercises(n // 8, seed=seed, split="train")]
    rows += correction_rows(n // 8, rng)
    return rows + _short_refinements(n - len(rows), seed, rng)


def critic_rows(steps: int, written: Sequence[tuple[Exercise, str]], seed: int) -> list[TrainingRow]:
    """Make critiques of `written`, of as many correct as wrong responses, of other solutions, and drills.

    At most half of the rows are critiques of `written`. The other solutions are correct or corrupted.
    """
    rng, n = random.Random(seed), steps * BATCH_SIZE
    drills = _drills(n // 6, seed, rng)
    right = [critique_row(*pair) for pair in written if is_correct(*pair)]
    wrong = [critique_row(*pair) for pair in written if not is_correct(*pair)]
    balanced = min(len(right), len(wrong), n // 4)
    own = right[:balanced] + wrong[:balanced] + drills
    exercises = generate_exercises(n - len(own), seed=seed, split="train")
    return own + [_corrupted_or_correct(exercise, rng) for exercise in exercises]


def _corrupted_or_correct(exercise: Exercise, rng: random.Random) -> TrainingRow:
    response = gold_response(exercise) if rng.random() < 0.3 else corrupted(exercise, rng)
    return critique_row(exercise, misnamed_response(response, rng) if rng.random() < 0.2 else response)
