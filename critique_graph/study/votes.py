"""The probability that a majority vote of some responses is correct: exact where that is cheap, else sampled."""

import random
from collections import Counter
from collections.abc import Hashable, Sequence
from math import ceil, floor, sqrt
from statistics import fmean
from typing import NamedTuple

from critique_graph.compare.strategies import Draw, PooledProblem
from critique_graph.metrics.at_k import maj_at_k

MOST_WORK = 100_000
"""Work of an exact count, about 20 ms, above which subsets of votes are sampled."""
DRAWS = 500
"""Number of subsets that are sampled."""
RIGHT = "right"


class Chance(NamedTuple):
    """A probability, and its standard error from sampling; 0 if it is exact."""

    value: float
    error: float


def votes_of(problem: PooledProblem, draws: Sequence[Draw]) -> list[Hashable | None]:
    """Give the votes of draws, with every correct answer as `RIGHT`."""
    return [RIGHT if draw.answer in problem.right else draw.answer for draw in draws]


def chance_of_vote(votes: Sequence[Hashable | None], right: Hashable, k: int, *, seed: int = 0) -> Chance:
    """Give the probability that a majority vote of `k` of the votes is `right`, as `maj_at_k` defines it."""
    counts = Counter(vote for vote in votes if vote is not None)
    if k == len(votes):
        return Chance(_won(counts, right), 0.0)
    mine, others = counts[right], counts.total() - counts[right]
    if len(counts) <= 2 or min(mine, k) * others * k <= MOST_WORK:
        return Chance(maj_at_k(votes, right, k), 0.0)
    rng = random.Random(f"{seed}/{k}/{len(votes)}")
    found = [_won(Counter(vote for vote in rng.sample(votes, k) if vote is not None), right) for _ in range(DRAWS)]
    mean = fmean(found)
    return Chance(mean, sqrt(fmean((one - mean) ** 2 for one in found) / (DRAWS - 1)))


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


def _won(counts: Counter[Hashable], right: Hashable) -> float:
    """Give the probability that `right` wins, if ties are decided by chance."""
    most = max(counts.values(), default=0)
    if not most or counts[right] < most:
        return 0.0
    return 1 / sum(count == most for count in counts.values())
