"""Numbers that are only reported, each with its formula, its source and its value in edge cases.

Rates have intervals (`intervals.py`); `strategies.py` and `comparison.py` compare strategies at equal cost.
"""

from collections import Counter
from collections.abc import Hashable, Sequence
from math import comb
from statistics import fmean

from critique_graph.metrics.majority import count_majorities

DIFFICULTY_LEVELS = 5


def pass_at_k(n: int, c: int, k: int) -> float:
    """Probability that at least one of `k` responses is correct, unbiased: 1 - C(n-c, k) / C(n, k).

    Chen et al. 2021 (arXiv 2107.03374), eq. 1: the share of all subsets of `k` of the `n` sampled responses that
    contain a correct one. 1.0 when fewer than `k` are wrong.

    >>> pass_at_k(4, 1, 2)
    0.5

    Args:
        n: Responses sampled for the question; at least `k`.
        c: How many of them are correct.
        k: Budget.

    Raises:
        ValueError: `c` is not between 0 and `n`, or `k` is not between 1 and `n`.
    """
    if not 0 <= c <= n:
        raise ValueError(f"c must be between 0 and n, got {c} of {n}.")
    _check_budget(k, n)
    return 1 - comb(n - c, k) / comb(n, k)


def maj_at_k(votes: Sequence[Hashable | None], right: Hashable | None, k: int) -> float:
    """Probability that a majority vote of `k` responses is correct: the exact mean over all subsets of `k` votes.

    The most frequent answer wins. Each of `t` equally frequent answers wins with probability 1/t, which is the average
    if ties are decided by chance. An unparsed response counts as one of the `k` and wins nothing; a subset of only
    unparsed responses is wrong. With k = 1 this is the share of correct votes, with k = n the vote of all.

    Counted, not sampled (`majority.py`).

    >>> maj_at_k(["22", "22", "7", None], "22", 3)
    0.75

    Args:
        votes: The answers of all responses sampled for the question, None if one could not be read. Answers are the
            same if they are equal in Python: group them by mathematical equivalence first.
        right: The correct answer; None when no response has it.
        k: Budget.

    Raises:
        ValueError: `k` is not between 1 and the number of votes.
    """
    return count_majorities(votes, right, [k])[0]


def vote_share(votes: Sequence[Hashable | None]) -> float:
    """Share of the votes that the most frequent answer has; unparsed votes count in the denominator, and win nothing.

    Raises:
        ValueError: There are no votes.
    """
    _check_budget(1, len(votes))
    return max(Counter(vote for vote in votes if vote is not None).values(), default=0) / len(votes)


def vote_stability(votes: Sequence[Hashable | None], k: int) -> float:
    """Probability that a majority vote of `k` of the votes has the same winner as all votes.

    It shows how much further votes could change. It is computed like `maj_at_k`, with the winner of all votes in place
    of the correct answer (ours; the paper shows stability as a figure). If two answers lead, it is the mean of both;
    0.0 if no vote can be read.
    """
    counts = Counter(vote for vote in votes if vote is not None)
    leaders = [answer for answer, count in counts.items() if count == max(counts.values())]
    _check_budget(k, len(votes))
    return fmean(maj_at_k(votes, leader, k) for leader in leaders) if leaders else 0.0


def difficulty_level(n: int, c: int) -> int:
    """Difficulty of a question by the actor's own pass rate c/n: 1 (0.8 to 1) to 5 (below 0.2).

    Five levels by the accuracy over 100 samples come from the paper; the edges 0.2, 0.4, 0.6 and 0.8, each of which
    belongs to the easier level, are ours. The levels mean little for few samples.

    Raises:
        ValueError: `c` is not between 0 and `n`, or there are no samples.
    """
    if n < 1 or not 0 <= c <= n:
        raise ValueError(f"c must be between 0 and n, and n at least 1, got {c} of {n}.")
    return DIFFICULTY_LEVELS - min(DIFFICULTY_LEVELS - 1, DIFFICULTY_LEVELS * c // n)


def _check_budget(k: int, n: int) -> None:
    if not 1 <= k <= n:
        raise ValueError(f"k must be between 1 and the number of responses, got {k} of {n}.")
