"""The probability that a majority vote of some responses is correct: exact where that is cheap, else sampled."""

from collections.abc import Hashable, Sequence
from math import ceil, floor

from critique_graph.compare.strategies import Draw, PooledProblem
from critique_graph.metrics.majority import Chance, chances_of_votes

RIGHT = "right"


def votes_of(problem: PooledProblem, draws: Sequence[Draw]) -> list[Hashable | None]:
    """Give the votes of draws, with every correct answer as `RIGHT`."""
    return [RIGHT if draw.answer in problem.right else draw.answer for draw in draws]


def chance_of_vote(votes: Sequence[Hashable | None], right: Hashable, k: int, *, seed: int = 0) -> Chance:
    """Give the probability that a majority vote of `k` of the votes is `right`, as `maj_at_k` defines it."""
    return chances_of_votes(votes, right, [k], seed=seed)[0]


def chance_between(votes: Sequence[Hashable | None], k: float, *, seed: int = 0) -> float:
    """Give the probability for a number of votes that need not be whole: between two whole numbers, in proportion."""
    low, high = floor(k), ceil(k)
    few = chance_of_vote(votes, RIGHT, low, seed=seed).value
    return few if low == high else few + (k - low) * (chance_of_vote(votes, RIGHT, high, seed=seed).value - few)


def doubling(most: int) -> list[int]:
    """Give 1, 2, 4 and so on, and `most` as the last."""
    found = [1]
    while 2 * found[-1] < most:
        found.append(2 * found[-1])
    return found if most == 1 else [*found, most]
