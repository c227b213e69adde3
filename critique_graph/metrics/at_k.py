"""Numbers that are only reported, each with its formula, its source and what it gives at the edges.

Rates have intervals (`intervals.py`); how strategies compare at equal cost is in `strategies.py` and `comparison.py`.
"""

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from fractions import Fraction
from itertools import compress
from math import comb
from statistics import fmean

from critique_graph.core.schema import Record, Verdict
from critique_graph.metrics.intervals import Rate, wilson

NO_ERROR = -1
"""Label of a response without a wrong step, and the prediction of a critic that finds none (ProcessBench)."""
DIFFICULTY_LEVELS = 5


def accuracy(outcomes: Sequence[bool]) -> Rate:
    """Share of right answers, with Wilson's interval; without data no value."""
    return wilson(sum(outcomes), len(outcomes))


def pass_at_k(n: int, c: int, k: int) -> float:
    """Probability that at least one of `k` responses is right, unbiased: 1 - C(n-c, k) / C(n, k).

    Chen et al. 2021 (arXiv 2107.03374), eq. 1: the share of all choices of `k` out of the `n` sampled that hold a right
    one. 1.0 when fewer than `k` are wrong.

    >>> pass_at_k(4, 1, 2)
    0.5

    Args:
        n: Responses sampled for the question; at least `k`.
        c: How many of them are right.
        k: Budget.

    Raises:
        ValueError: `c` is not of `n`, or `k` not between 1 and `n`.
    """
    if not 0 <= c <= n:
        raise ValueError(f"c must be between 0 and n, got {c} of {n}.")
    _check_budget(k, n)
    return 1 - comb(n - c, k) / comb(n, k)


def maj_at_k(votes: Sequence[Hashable | None], right: Hashable | None, k: int) -> float:
    """Probability that a majority vote of `k` responses is right: the exact mean over all choices of `k` of the votes.

    The most frequent answer wins. Of `t` equally frequent ones each wins with probability 1/t, which is what a tie
    decided by chance gives on average. An unparsed response takes its place among the `k` and wins nothing; a choice
    of none but such is wrong. With k = 1 this is the share of right votes, with k = n the vote of all.

    Counted, not sampled: for every number r of right votes, the ways in which no other answer has more than r.

    >>> maj_at_k(["22", "22", "7", None], "22", 3)
    0.75

    Args:
        votes: The answers of all responses sampled for the question, None where one could not be read. Answers are
            the same if they are equal in Python: group them by mathematical equivalence first.
        right: The right one; None when no response has it.
        k: Budget.

    Raises:
        ValueError: `k` is not between 1 and the number of votes.
    """
    _check_budget(k, len(votes))
    others = Counter(vote for vote in votes if vote is not None)
    unparsed = len(votes) - others.total()
    mine = others.pop(right, 0) if right is not None else 0
    won = Fraction(0)
    for r in range(1, min(mine, k) + 1):
        for (taken, ties), ways in _ways(
            list(others.values()), most=r, seats=range(k - r - unparsed, k - r + 1)
        ).items():
            won += Fraction(comb(mine, r) * ways * comb(unparsed, k - r - taken), 1 + ties)
    return float(won / comb(len(votes), k))


def vote_share(votes: Sequence[Hashable | None]) -> float:
    """Share of the votes that the most frequent answer has; unparsed ones stay in the denominator, and win nothing.

    Raises:
        ValueError: there are no votes.
    """
    _check_budget(1, len(votes))
    return max(Counter(vote for vote in votes if vote is not None).values(), default=0) / len(votes)


def vote_stability(votes: Sequence[Hashable | None], k: int) -> float:
    """Probability that a majority vote of `k` of the votes names the winner of all: how far more votes could matter.

    That of `maj_at_k`, with the winner of all in the place of the right answer (ours; the paper shows stability as a
    figure). The mean of both where two answers lead; 0.0 where no vote can be read.
    """
    counts = Counter(vote for vote in votes if vote is not None)
    leaders = [answer for answer, count in counts.items() if count == max(counts.values())]
    _check_budget(k, len(votes))
    return fmean(maj_at_k(votes, leader, k) for leader in leaders) if leaders else 0.0


def difficulty_level(n: int, c: int) -> int:
    """Difficulty of a question by the actor's own pass rate c/n: 1 (0.8 to 1) to 5 (below 0.2).

    Five levels by the accuracy over 100 samples are the paper's; these edges, 0.2, 0.4, 0.6 and 0.8, which count to the
    easier side, are ours. They mean little for few samples.

    Raises:
        ValueError: `c` is not of `n`, or there are no samples.
    """
    if n < 1 or not 0 <= c <= n:
        raise ValueError(f"c must be between 0 and n, and n at least 1, got {c} of {n}.")
    return DIFFICULTY_LEVELS - min(DIFFICULTY_LEVELS - 1, DIFFICULTY_LEVELS * c // n)


def helpfulness(before: Sequence[bool], after: Sequence[bool]) -> Rate:
    """Share of the wrong answers that became right (wrong → right); without a wrong one no value."""
    _check_paired(before, after)
    return accuracy([now for was, now in zip(before, after, strict=True) if not was])


def harm(before: Sequence[bool], after: Sequence[bool]) -> Rate:
    """Share of the right answers that became wrong (right → wrong); without a right one no value."""
    _check_paired(before, after)
    return accuracy([not now for now in compress(after, before)])


class Judgement(Record):
    """The critic's verdicts on graded responses, and its discriminability: how many agree with the grade.

    Counted both ways, as published figures differ: a critique without a verdict counts as disagreeing (Critique-RL's
    reward), or, `of_parsed`, is left out (Critique-RL's evaluation).
    """

    right_called_correct: int
    right_called_wrong: int
    right_unparsed: int
    wrong_called_correct: int
    wrong_called_wrong: int
    wrong_unparsed: int
    discriminability: Rate
    discriminability_on_right: Rate
    discriminability_on_wrong: Rate
    discriminability_of_parsed: Rate
    discriminability_of_parsed_on_right: Rate
    discriminability_of_parsed_on_wrong: Rate


def discriminability(verdicts: Mapping[tuple[bool, Verdict | None], int]) -> Judgement:
    """Count how far verdicts agree with grades.

    Args:
        verdicts: How many there are of each pair: whether the response is right, and the verdict on it.
    """
    right = {verdict: verdicts.get((True, verdict), 0) for verdict in ("correct", "wrong", None)}
    wrong = {verdict: verdicts.get((False, verdict), 0) for verdict in ("correct", "wrong", None)}
    hits_on_right, hits_on_wrong = right["correct"], wrong["wrong"]
    hits, all_right, all_wrong = hits_on_right + hits_on_wrong, sum(right.values()), sum(wrong.values())
    return Judgement(
        right_called_correct=hits_on_right,
        right_called_wrong=right["wrong"],
        right_unparsed=right[None],
        wrong_called_correct=wrong["correct"],
        wrong_called_wrong=hits_on_wrong,
        wrong_unparsed=wrong[None],
        discriminability=wilson(hits, all_right + all_wrong),
        discriminability_on_right=wilson(hits_on_right, all_right),
        discriminability_on_wrong=wilson(hits_on_wrong, all_wrong),
        discriminability_of_parsed=wilson(hits, all_right - right[None] + all_wrong - wrong[None]),
        discriminability_of_parsed_on_right=wilson(hits_on_right, all_right - right[None]),
        discriminability_of_parsed_on_wrong=wilson(hits_on_wrong, all_wrong - wrong[None]),
    )


class FirstErrors(Record):
    """How often a critic finds the first wrong step, by the protocol of ProcessBench (arXiv 2412.06559, section 4)."""

    on_erroneous: Rate
    """Responses with a wrong step whose first one is named exactly."""
    on_correct: Rate
    """Responses without one of which that is said."""
    f1: Rate
    """Harmonic mean of the two; its interval is that of both intervals' ends, which is on the wide side."""
    exact: Rate
    """All responses judged as labelled, whatever the share of erroneous ones."""


def first_errors(predicted: Sequence[int | None], labels: Sequence[int]) -> FirstErrors:
    """Score predictions of the first wrong step.

    F1 has no value without responses of both kinds, and is 0.0 where neither is ever judged as labelled.

    Args:
        predicted: 0-based index of the first wrong step, `NO_ERROR` for none; None, which is never right, where no
            prediction can be read.
        labels: The same, as it is.

    Raises:
        ValueError: they are not of the same responses.
    """
    if len(predicted) != len(labels):
        raise ValueError(f"predicted and labels must be of the same responses, got {len(predicted)} and {len(labels)}.")
    hits = [found == label for found, label in zip(predicted, labels, strict=True)]
    is_erroneous = [label != NO_ERROR for label in labels]
    on_erroneous = accuracy(list(compress(hits, is_erroneous)))
    on_correct = accuracy([hit for hit, erroneous in zip(hits, is_erroneous, strict=True) if not erroneous])
    return FirstErrors(
        on_erroneous=on_erroneous,
        on_correct=on_correct,
        f1=Rate(
            value=_harmonic_mean(on_erroneous.value, on_correct.value),
            low=_harmonic_mean(on_erroneous.low, on_correct.low),
            high=_harmonic_mean(on_erroneous.high, on_correct.high),
            n=len(hits),
        ),
        exact=accuracy(hits),
    )


def _harmonic_mean(a: float | None, b: float | None) -> float | None:
    if a is None or b is None:
        return None
    return 2 * a * b / (a + b) if a + b else 0.0


def _ways(counts: Sequence[int], *, most: int, seats: range) -> dict[tuple[int, int], int]:
    """Count the choices of votes, at most `most` for an answer, by their number and that of the answers with `most`.

    Args:
        counts: Votes there are for every answer.
        most: For one answer.
        seats: Numbers of votes to choose.
    """
    ways = {(0, 0): 1}
    for index, count in enumerate(counts):
        to_come = sum(min(later, most) for later in counts[index + 1 :])
        grown: Counter[tuple[int, int]] = Counter()
        for (taken, ties), number in ways.items():
            fewest = max(0, seats.start - to_come - taken)
            for votes in range(fewest, min(count, most, seats.stop - 1 - taken) + 1):
                grown[taken + votes, ties + (votes == most)] += number * comb(count, votes)
        ways = dict(grown)
    return {(taken, ties): number for (taken, ties), number in ways.items() if taken in seats}


def _check_budget(k: int, n: int) -> None:
    if not 1 <= k <= n:
        raise ValueError(f"k must be between 1 and the number of responses, got {k} of {n}.")


def _check_paired(before: Sequence[bool], after: Sequence[bool]) -> None:
    if len(before) != len(after):
        raise ValueError(f"before and after must be of the same problems, got {len(before)} and {len(after)}.")
