"""The probability that a majority vote of k responses is correct, for many k at once: exact, or sampled with its error.

The most frequent answer wins, and of t equally frequent ones each with probability 1/t. For every number r of correct
votes, the subsets in which no other answer has more than r are counted by a product of polynomials, whose coefficient
of x^s is the number of ways to take s votes. A polynomial is one large integer with a fixed number of bits for each
coefficient (Kronecker's substitution), so that Python's multiplication of integers is that of polynomials.
"""

import random
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from math import comb, sqrt
from operator import add, mul
from typing import NamedTuple

MOST_EXACT = 256
"""Most votes of more than two answers that are counted exactly: 15 ms for all k, 0.2 s if all answers differ."""
DRAWS = 400
"""Number of orders of the votes that are drawn where there are more."""


class Chance(NamedTuple):
    """A probability, and its standard error from sampling; 0 if it is exact, or if all draws agree."""

    value: float
    error: float


def chances_of_votes(
    votes: Sequence[Hashable | None], right: Hashable | None, budgets: Sequence[int], *, seed: int = 0
) -> list[Chance]:
    """Give `maj_at_k` for every k in `budgets`, sampled if the votes are many and for more than two answers.

    The first k votes of a random order are a random subset of them, so one order serves every k.

    Raises:
        ValueError: There are no budgets, or one is not between 1 and the number of votes.
    """
    if len(votes) <= MOST_EXACT or len({*votes} - {None}) <= 2:
        return [Chance(value, 0.0) for value in count_majorities(votes, right, budgets)]
    _check(votes, budgets)
    counts = Counter(votes)
    answers: dict[Hashable | None, int] = {answer: i for i, answer in enumerate(set(counts) - {right, None}, 1)}
    numbers = [answers.get(vote, 0 if vote == right and right is not None else -1) for vote in votes]
    rng = random.Random(f"{seed}/{len(votes)}")
    sums = squares = [0.0] * len(votes)
    for _ in range(DRAWS):
        won = _won_by_first(numbers, rng, len(answers) + 1)
        sums, squares = list(map(add, sums, won)), list(map(add, squares, map(mul, won, won)))
    return [_chance(len(votes), k, sums[k - 1] / DRAWS, squares[k - 1] / DRAWS, counts, right) for k in budgets]


def count_majorities(votes: Sequence[Hashable | None], right: Hashable | None, budgets: Sequence[int]) -> list[float]:
    """Give `maj_at_k` for every k in `budgets`, exactly."""
    _check(votes, budgets)
    counts = Counter(vote for vote in votes if vote is not None)
    mine = counts.pop(right, 0) if right is not None else 0
    bits = len(votes) + 1  # no coefficient is larger than the number of all subsets
    length = bits * (max(budgets) + 1)
    won = _subsets_won(mine, sorted(counts.values()), len(votes) - mine, bits, length)
    return [
        float(sum((Fraction(_coefficient(ways, k, bits), ties) for ties, ways in enumerate(won, 1)), Fraction(0))
              / comb(len(votes), k))
        for k in budgets
    ]  # fmt: skip


def _subsets_won(mine: int, others: Sequence[int], rest: int, bits: int, length: int) -> list[int]:
    """Count the subsets in which the correct answer leads: a polynomial for each number of leaders, from one on.

    Args:
        mine: Number of correct votes.
        others: Number of votes of every other answer, in ascending order.
        rest: Number of all other votes, unparsed ones included.
        bits: Bits of a coefficient.
        length: Bits of a polynomial; coefficients beyond are left out.
    """
    mask = (1 << length) - 1
    won: list[int] = []
    partial = [0] * len(others)
    for low, high in pairwise([0, *sorted({min(count, mine) for count in others}), mine]):
        # From r = low + 1 to high, the same answers have r votes or more. All other votes are free.
        rivals = [index for index, count in enumerate(others) if count >= high > low]
        if high <= low:
            continue
        if others and low >= others[-1]:
            rivals = []
        led = [0] * (len(rivals) + 1)
        for r in range(low + 1, high + 1):
            for index in rivals:
                partial[index] += comb(others[index], r - 1) << (bits * (r - 1))
            ways = _at_most(r, [(partial[index], comb(others[index], r)) for index in rivals], bits, mask)
            for ties, counted in enumerate(ways):
                led[ties] += (counted * comb(mine, r)) << (bits * r)
        free = rest - sum(others[index] for index in rivals)
        won += [0] * (len(led) - len(won))
        for ties, counted in enumerate(led):
            won[ties] += ((counted & mask) * (_all_subsets(free, bits) & mask)) & mask
    return won


def _at_most(r: int, rivals: Iterable[tuple[int, int]], bits: int, mask: int) -> list[int]:
    """Count the ways to take at most r votes of each rival: a polynomial for each number of rivals with r votes.

    Args:
        r: The number of votes.
        rivals: The polynomial of less than r votes, and the ways to take r, of every rival.
        bits: Bits of a coefficient.
        mask: Bits of a polynomial.
    """
    ways = [1]
    for fewer, all_of_r in rivals:
        tied = [(counted * all_of_r << bits * r) & mask for counted in ways]
        ways = list(map(add, [*((counted * fewer) & mask for counted in ways), 0], [0, *tied]))
        while len(ways) > 1 and not ways[-1]:
            ways.pop()
    return ways


@lru_cache(maxsize=512)
def _all_subsets(count: int, bits: int) -> int:
    """The polynomial (1 + x)^count."""
    return int(((1 << bits) + 1) ** count)


def _coefficient(polynomial: int, power: int, bits: int) -> int:
    return (polynomial >> bits * power) & ((1 << bits) - 1)


def _won_by_first(numbers: Sequence[int], rng: random.Random, answers: int) -> list[float]:
    """Give the share of the victory that answer 0 has among the first 1, 2, 3 … votes of a random order."""
    draw = rng.random
    counts = [0] * answers + [-len(numbers)]  # the last one, which never leads, is that of unparsed votes
    leading, leaders = 0, 0
    won: list[float] = []
    for number in sorted(numbers, key=lambda _: draw()):
        counts[number] = count = counts[number] + 1
        if count > leading:
            leading, leaders = count, 1
        elif count == leading:
            leaders += 1
        won.append(1 / leaders if leaders and counts[0] == leading else 0.0)
    return won


def _chance(n: int, k: int, mean: float, square: float, counts: Counter[Hashable | None], right: object) -> Chance:
    if k == n:  # the only subset
        known = {answer: count for answer, count in counts.items() if answer is not None}
        leaders = [answer for answer, count in known.items() if count == max(known.values())]
        return Chance(1 / len(leaders) if right in leaders else 0.0, 0.0)
    return Chance(mean, sqrt(max(0.0, square - mean * mean) / (DRAWS - 1)))


def _check(votes: Sequence[object], budgets: Sequence[int]) -> None:
    for k in budgets:
        if not 1 <= k <= len(votes):
            raise ValueError(f"k must be between 1 and the number of responses, got {k} of {len(votes)}.")
