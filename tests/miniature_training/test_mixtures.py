import random

import pytest

from critique_graph.miniature.solutions import flawed_response, gold_response
from critique_graph.miniature.task import generate_exercises
from critique_graph.miniature_training.mixtures import BATCH_SIZE, actor_rows, critic_rows, solver_rows


@pytest.mark.parametrize("own", [0, 10, 1000])
def test_half_of_the_solvers_rows_are_solutions_however_many_own_errors_there_are(own):
    rng = random.Random(0)
    written = [(e, flawed_response(e, rng)) for e in generate_exercises(own, seed=1, split="train")]
    rows = solver_rows(6, written, seed=2)
    assert len(rows) == 6 * BATCH_SIZE
    solutions = [row for row in rows if len(row["prompt"]) == 1 and "boxed" in row["completion"][0]["content"]]
    assert len(solutions) == len(rows) // 2


@pytest.mark.parametrize("own", [0, 10, 1000])
def test_at_most_half_of_the_actors_rows_are_refinements_of_its_own_answers(own):
    rng = random.Random(0)
    written = [(e, flawed_response(e, rng)) for e in generate_exercises(own, seed=1, split="train")]
    rows = actor_rows(4, written, seed=2)
    assert len(rows) == 4 * BATCH_SIZE
    questions = {e.problem.question for e, _ in written}
    assert sum(any(q in row["prompt"][0]["content"] for q in questions) for row in rows) == min(own, len(rows) // 2)


@pytest.mark.parametrize("own", [0, 10, 1000])
def test_critic_gets_as_many_own_right_answers_as_wrong_ones(own):
    rng = random.Random(0)
    exercises = list(generate_exercises(own, seed=1, split="train"))
    written = [(e, gold_response(e) if index % 4 else flawed_response(e, rng)) for index, e in enumerate(exercises)]
    assert len(critic_rows(4, written, seed=2)) == 4 * BATCH_SIZE
