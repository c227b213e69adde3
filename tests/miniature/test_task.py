import re
from collections import Counter

import pytest

from critique_graph.miniature.task import (
    LEVELS,
    MAX_FACTOR,
    MAX_VALUE,
    TOGETHER,
    Operation,
    Ref,
    compute,
    generate_exercises,
    generate_problems,
    magnitudes,
    split_of,
)

SPLITS = ("train", "validation", "test")


def test_same_seed_gives_the_same_problems():
    assert list(generate_problems(50, seed=7)) == list(generate_problems(50, seed=7))


def test_other_seed_gives_other_problems():
    questions = {problem.question for problem in generate_problems(50, seed=7)}
    assert questions.isdisjoint(problem.question for problem in generate_problems(50, seed=8))


def test_fewer_problems_are_a_prefix_of_more():
    assert list(generate_problems(5, seed=7)) == list(generate_problems(20, seed=7))[:5]


def test_problem_says_where_it_comes_from():
    *_, problem = generate_problems(18, seed=3, split="validation")
    assert (problem.id, problem.source) == ("miniature/validation/3/000017", "miniature")


@pytest.mark.parametrize("split", SPLITS)
def test_every_exercise_belongs_to_its_split(split):
    assert {split_of(e.operations) for e in generate_exercises(300, seed=1, split=split)} == {split}


def test_splits_share_no_operations():
    structures = [{e.operations for e in generate_exercises(2000, seed=5, split=split)} for split in SPLITS]
    assert not structures[0] & structures[1]
    assert not structures[0] & structures[2]
    assert not structures[1] & structures[2]


def test_split_does_not_depend_on_the_words():
    assert split_of([Operation(5, "+", 3, "Tom has")]) == split_of([Operation(5, "+", 3, "Ann has")])


def test_split_is_stable_across_versions():
    chain = [Operation(12, "+", 5, "Tom has"), Operation(Ref(0), "*", 3, "Tom has")]
    assert split_of(chain) == "train"


def test_numbers_stay_within_their_limits():
    exercises = list(generate_exercises(1000, seed=2, split="test"))
    values = [value for exercise in exercises for value in exercise.values]
    assert 1 <= min(values) <= max(values) <= MAX_VALUE
    factors = [op.right for exercise in exercises for op in exercise.operations if op.symbol == "*"]
    assert 2 <= min(factors) <= max(factors) <= MAX_FACTOR


def test_harder_problems_have_larger_numbers():
    terms, starts, values = ({level: [0] for level in LEVELS} for _ in range(3))
    for exercise in generate_exercises(5000, seed=2, split="test"):
        level = len(exercise.operations)
        steps = [op for op in exercise.operations if op.subject != TOGETHER]
        terms[level] += [op.right for op in steps if op.symbol != "*"]
        starts[level].append(exercise.operations[0].left)
        values[level] += exercise.values
    largest = [magnitudes(level) for level in LEVELS]
    assert [max(terms[level]) for level in LEVELS] == [most.term for most in largest]
    assert [max(starts[level]) for level in LEVELS] == [most.start for most in largest]
    assert [max(values[level]) for level in LEVELS] == [most.value for most in largest]


def test_level_is_the_number_of_steps():
    for exercise in generate_exercises(300, seed=4, split="test"):
        assert exercise.problem.level == len(exercise.operations)


def test_levels_are_balanced():
    counts = Counter(problem.level for problem in generate_problems(2000, seed=6))
    assert sorted(counts) == list(LEVELS)
    assert min(counts.values()) > 200


def test_every_step_but_the_last_is_used_by_a_later_one():
    for exercise in generate_exercises(300, seed=9, split="test"):
        used = {o.step for op in exercise.operations for o in (op.left, op.right) if isinstance(o, Ref)}
        assert used == set(range(len(exercise.operations) - 1))


def test_answer_is_the_last_value():
    for exercise in generate_exercises(300, seed=9, split="test"):
        values: list[int] = []
        for operation in exercise.operations:
            values.append(compute(operation.symbol, *operation.operands(values)))
        assert exercise.problem.answer == str(values[-1])


def test_no_number_is_given_twice():
    for problem in generate_problems(300, seed=9):
        numbers = re.findall(r"\d+", problem.question)
        assert len(numbers) == len(set(numbers))


def test_some_questions_have_a_sentence_that_does_not_matter():
    questions = [problem.question for problem in generate_problems(300, seed=9)]
    asides = sum(any(word in q for word in ("years old", "lives at", "It takes")) for q in questions)
    assert 40 < asides < 110


def test_question_holds_every_given_number():
    for exercise in generate_exercises(300, seed=9, split="test"):
        given = {o for op in exercise.operations for o in (op.left, op.right) if isinstance(o, int)}
        words = set(exercise.problem.question.replace(".", "").split())
        assert {str(number) for number in given} <= words
