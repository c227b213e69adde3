"""The rewards of a critic that learns by reinforcement, case by case."""

from collections.abc import Sequence
from typing import Any

import pytest
from fakes import critique_text, solution

from critique_graph.trainers.rewards import Attempt, discriminability, helpfulness

QUESTION = "Ann has 3 pens. Ann buys 4 more. How many pens does Ann have?"
CORRECT, WRONG = solution(7), solution(8, "3 + 4 = 8.")
SAYS_CORRECT, SAYS_WRONG = critique_text("Correct"), critique_text("Wrong", ("3 + 4 = 8.", "Wrong"))
WITHOUT_STEPS = "Correctness of the final answer: Wrong\nExplanation: because."
COPIED = SAYS_WRONG.replace("because.", "It should be 7.")
WORKED_OUT = SAYS_WRONG.replace("because.", "3 + 4 = 7, so it should be 7.")


def columns(*, is_correct: bool, count: int = 1) -> dict[str, list[Any]]:
    row = {
        "problem": "p",
        "chain": 0,
        "question": QUESTION,
        "response": CORRECT if is_correct else WRONG,
        "reference": "7",
        "is_correct": is_correct,
    }
    return {name: [value] * count for name, value in row.items()}


class Refined:
    """Gives set shares, and keeps what it was asked."""

    def __init__(self, *shares: float | None) -> None:
        self.shares, self.asked = list(shares), list[Attempt]()

    async def __call__(self, attempts: Sequence[Attempt]) -> list[float | None]:
        self.asked += attempts
        return self.shares[: len(attempts)]


@pytest.mark.parametrize(
    ("critique", "is_correct", "reward"),
    [
        (SAYS_CORRECT, True, 1.0),
        (SAYS_WRONG, False, 1.0),
        (critique_text("Wrong"), True, -1.0),
        (critique_text("Correct", ("3 + 4 = 8.", "Correct")), False, -1.0),
        ("I do not know.", False, -1.0),
        (WITHOUT_STEPS, False, -1.0),
        ("<think>\n3 + 4 = 7; 8 - 7 = 1 Wrong\n</think>\n\n" + SAYS_WRONG, False, 1.0),
        (COPIED, False, 0.0),
        (WORKED_OUT, False, 1.0),
    ],
    ids=[
        "correct, agrees", "wrong, agrees", "correct called wrong", "wrong called correct", "unreadable", "no steps",
        "after reasoning", "answer given away", "answer worked out",
    ],
)  # fmt: skip
def test_verdict_is_rewarded(critique: str, is_correct: bool, reward: float):
    row = columns(is_correct=is_correct)

    assert discriminability([critique], **row) == [reward]
    assert discriminability([[{"role": "assistant", "content": critique}]], **row) == [reward]


def test_leak_with_a_wrong_verdict_is_not_rewarded_better_than_without_it():
    critique = critique_text("Correct", ("3 + 4 = 8.", "Correct")).replace("because.", "Or 7.")

    assert discriminability([critique], **columns(is_correct=False)) == [-1.0]


@pytest.mark.parametrize(
    ("critique", "is_correct", "share", "reward"),
    [
        (SAYS_WRONG, False, 1.0, 1.2),
        (SAYS_WRONG, False, 0.5, 0.7),
        (SAYS_WRONG, False, 0.0, 0.2),
        (critique_text("Wrong"), True, 1.0, 1.0),
        (critique_text("Wrong"), True, 0.0, 0.0),
        (SAYS_WRONG, False, None, None),
        (SAYS_CORRECT, True, "not asked", 1.2),
        (critique_text("Correct", ("3 + 4 = 8.", "Correct")), False, "not asked", 0.0),
        ("I do not know.", True, "not asked", -1.0),
        (COPIED, False, "not asked", 0.0),
    ],
    ids=[
        "it helps", "it helps at times", "it does not help", "it does no harm", "it does harm", "no refinement",
        "called correct, correct", "called correct, wrong", "unreadable", "answer given away",
    ],
)  # fmt: skip
async def test_refinement_is_rewarded(critique: str, is_correct: bool, share: float | str | None, reward: float | None):
    refine = Refined(*([] if isinstance(share, str) else [share]))

    rewards = await helpfulness([critique], refine=refine, **columns(is_correct=is_correct))

    assert rewards == [reward if reward is None else pytest.approx(reward)]
    assert len(refine.asked) == len(refine.shares)


async def test_all_refinements_of_a_batch_are_asked_for_at_once_and_told_apart():
    refine = Refined(1.0, 0.0)

    rewards = await helpfulness(
        [SAYS_WRONG, "unreadable", SAYS_WRONG], refine=refine, **columns(is_correct=False, count=3)
    )

    assert rewards == [pytest.approx(1.2), -1.0, pytest.approx(0.2)]
    assert [(attempt.problem, attempt.reference) for attempt in refine.asked] == [("p", "7")] * 2


async def test_actor_is_not_told_the_reasoning():
    refine = Refined(1.0)

    await helpfulness([f"<think>\n3 + 4 = 7\n</think>\n\n{SAYS_WRONG}"], refine=refine, **columns(is_correct=False))

    assert refine.asked[0].critique.text == SAYS_WRONG


def test_shares_of_a_batch_are_logged():
    logged: dict[str, float] = {}
    critiques = [SAYS_WRONG, COPIED, SAYS_CORRECT, "nothing"]

    discriminability(critiques, **columns(is_correct=False, count=4), log_metric=logged.__setitem__)

    assert logged == {"unreadable": 0.5, "said_wrong": 0.5, "leaks": 0.25}  # `SAYS_CORRECT` repeats no step of `WRONG`
