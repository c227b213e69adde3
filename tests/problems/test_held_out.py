import pytest

from critique_graph.core.errors import InputError
from critique_graph.core.schema import Problem
from critique_graph.improve.problems import ImprovementProblems
from critique_graph.miniature.task import generate_problems
from critique_graph.problems.held_out import (
    is_test_set,
    public_test_set,
    question_key,
    refuse_test_question,
    refuse_test_split,
)
from critique_graph.problems.problem_set import ProblemSet, without_test_questions

# The first words of a question of GSM8K's test split (MIT), in spellings that reach training sets.
GSM8K = (
    "Josh decides to try flipping a house.  He buys a house for $80,000 and then puts in $50,000 in repairs.  This "
    "increased the value of the house by 150%.  How much profit did he make?"
)
OWN = [Problem(id=f"own-{n}", question=f"A box holds {n} red pens. How many pens are in 3 boxes?") for n in range(3)]


@pytest.mark.parametrize(
    "spelled",
    [
        GSM8K,
        GSM8K.upper(),
        GSM8K.replace("  ", "\n"),
        GSM8K.replace("$", r"\$"),
        GSM8K.replace(".", " .").replace("?", ""),
        "".join(chr(ord(c) + 0xFEE0) if c.isascii() and c.isalnum() else c for c in GSM8K),
        "\u200b".join(GSM8K),
    ],
    ids=["as it is", "capitals", "lines", "escaped", "punctuation", "full width", "zero-width characters"],
)
def test_public_test_question_is_recognised_in_every_spelling(spelled: str) -> None:
    assert public_test_set(spelled) == "the test split of GSM8K"


# A question of HumanEval (MIT), and one of MBPP's test split (CC BY 4.0) as the task `code` asks it.
HUMAN_EVAL = '''def truncate_number(number: float) -> float:
    """ Given a positive floating point number, it can be decomposed into
    and integer part (largest integer smaller than given number) and decimals
    (leftover part always smaller than 1).

    Return the decimal part of the number.
    >>> truncate_number(3.5)
    0.5
    """'''
MBPP = """Write a python function to remove first and last occurrence of a given character from the string.
Your code should pass these tests:

assert remove_Occ("hello","l") == "heo"
assert remove_Occ("abcda","a") == "bcd"
assert remove_Occ("PHP","P") == "H\""""


@pytest.mark.parametrize(("question", "name"), [(HUMAN_EVAL, "HumanEval"), (MBPP, "the test split of MBPP")])
def test_programs_of_public_test_sets_are_recognised(question: str, name: str) -> None:
    assert public_test_set(question) == name


def test_miniature_test_questions_are_recognised_and_training_questions_are_not() -> None:
    def recognised(split: str) -> int:
        return sum(public_test_set(p.question) is not None for p in generate_problems(50, seed=3, split=split))  # type: ignore[arg-type]

    assert (recognised("test"), recognised("train"), recognised("validation")) == (50, 0, 0)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("What is 2 + 3?", "what is 2+3"),
        (r"Find $\left(\dfrac{1}{2}\right)^2$.", r"Find $(\frac{1}{2})^2$"),
        (r"Let $x \quad = 3$.", "Let x=3"),
        ("It costs 2.50 dollars.", "It costs 2.50 dollars"),
        ("5 \u2212 3", "5 - 3"),
    ],
)
def test_layout_makes_no_difference_between_two_questions(one: str, other: str) -> None:
    assert question_key(one) == question_key(other)


@pytest.mark.parametrize(
    ("one", "other"), [("2 + 3", "2 - 3"), ("2.5", "25"), ("x < 3", "x > 3"), ("1/2", "12"), ("two", "to")]
)
def test_questions_that_differ_in_meaning_differ(one: str, other: str) -> None:
    assert question_key(one) != question_key(other)


@pytest.mark.parametrize(
    "spec",
    ["hf:o/n:main:test", "hf:o/n:main:TEST", "hf:o/n::test[:100]", "hf:o/n:main:train+test", "hf:o/n::test_hard"],
)
def test_test_split_of_the_hub_is_refused_however_it_is_written(spec: str) -> None:
    assert is_test_set(spec)
    with pytest.raises(InputError, match="a test split makes no training data"):
        refuse_test_split(spec)


@pytest.mark.parametrize("spec", ["hf:o/n", "hf:o/n:main", "hf:o/n:main:train", "hf:test/n", "train.jsonl"])
def test_other_sets_may_be_learned_from(spec: str) -> None:
    refuse_test_split(spec)


@pytest.mark.parametrize("measured", ["validation", "test"])
def test_problems_that_an_improvement_measures_on_are_a_test_set(measured: str) -> None:
    assert is_test_set(f"{measured} problems of self-improvement")
    assert not is_test_set("training problems of self-improvement")


def test_test_questions_are_left_out_and_counted_once() -> None:
    mixed = [OWN[0], Problem(id="copied", question=GSM8K.lower()), *OWN[1:]]

    found = without_test_questions(ProblemSet.of(mixed))

    assert (list(found.read()), list(found.read())) == (OWN, OWN)
    assert (found.total, found.left_out) == (3, {"test": 1})


def test_set_of_test_questions_alone_is_refused() -> None:
    with pytest.raises(InputError, match="all 1 problems are questions of the test split of GSM8K"):
        without_test_questions(ProblemSet.of([Problem(id="p", question=GSM8K)]))


def test_row_of_a_test_question_is_refused() -> None:
    with pytest.raises(InputError, match="problem 'p' is a question of the test split of GSM8K"):
        refuse_test_question("p", GSM8K)


@pytest.mark.parametrize("set_name", ["validation", "test"])
def test_improvement_refuses_its_own_measure_as_training_in_another_spelling(set_name: str) -> None:
    sets = {"validation": OWN[1:2], "test": OWN[2:]}
    copied = Problem(id="copied", question=sets[set_name][0].question.upper() + " ")

    with pytest.raises(InputError, match="'copied' is a training problem and also a validation or test problem"):
        ImprovementProblems([OWN[0], copied], **sets)


def test_improvement_refuses_a_public_test_question_as_training() -> None:
    with pytest.raises(InputError, match="'copied' is a question of the test split of GSM8K"):
        ImprovementProblems([Problem(id="copied", question=GSM8K)], OWN[:1], OWN[1:])
