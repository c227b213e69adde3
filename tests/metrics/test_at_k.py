import random
from itertools import combinations
from statistics import fmean

import numpy as np
import pytest
from scipy import stats

from critique_graph.metrics.at_k import difficulty_level, maj_at_k, pass_at_k, vote_share, vote_stability
from critique_graph.metrics.intervals import Rate, wilson
from critique_graph.metrics.judgement import (
    NO_ERROR,
    CriticScore,
    FirstErrors,
    accuracy,
    discriminability,
    first_errors,
    harm,
    helpfulness,
)


@pytest.mark.parametrize(
    ("n", "c", "k", "expected"),
    [
        (4, 1, 2, 0.5),  # of 6 pairs, 3 contain the correct one
        (5, 2, 2, 0.7),  # of 10 pairs, 3 contain no correct one
        (5, 0, 5, 0.0),
        (5, 5, 1, 1.0),
        (5, 3, 3, 1.0),  # only 2 are wrong
        (10, 3, 1, 0.3),
    ],
)
def test_pass_at_k_by_hand(n: int, c: int, k: int, expected: float):
    assert pass_at_k(n, c, k) == pytest.approx(expected)


@pytest.mark.parametrize(("n", "c", "k"), [(200, 7, 10), (200, 199, 100), (1000, 1, 500), (33, 12, 5)])
def test_pass_at_k_agrees_with_the_authors_code_and_with_scipy(n: int, c: int, k: int):
    of_authors = 1.0 if n - c < k else 1.0 - np.prod(1.0 - k / np.arange(n - c + 1, n + 1))  # openai/human-eval

    assert pass_at_k(n, c, k) == pytest.approx(of_authors)
    assert pass_at_k(n, c, k) == pytest.approx(stats.hypergeom.sf(0, n, c, k))


@pytest.mark.parametrize(
    ("votes", "right", "k", "expected"),
    [
        (["a", "b", "b"], "a", 1, 1 / 3),
        (["a", "a", "b"], "a", 2, 2 / 3),  # aa wins, ab and ab are ties
        (["a", "a", "b"], "a", 3, 1.0),
        (["a", "a", "b", None], "a", 3, 3 / 4),  # aab and aa- win, two ties
        (["a", "b", "c"], "a", 3, 1 / 3),
        (["a", None, None], "a", 2, 2 / 3),  # a vote that cannot be read takes a place, and wins nothing
        ([None, None], "a", 2, 0.0),
        (["b", "c"], None, 2, 0.0),
        (["a", "a", "b", "b", "c"], "a", 5, 1 / 2),
    ],
)
def test_maj_at_k_by_hand(votes: list[str | None], right: str | None, k: int, expected: float):
    assert maj_at_k(votes, right, k) == pytest.approx(expected)


def won(chosen: tuple[str | None, ...]) -> float:
    counts = {vote: chosen.count(vote) for vote in chosen if vote is not None}
    leaders = [vote for vote, count in counts.items() if count == max(counts.values())]
    return leaders.count("a") / len(leaders) if leaders else 0.0


@pytest.mark.parametrize("seed", range(20))
def test_maj_at_k_is_the_mean_over_all_choices(seed: int):
    rng = random.Random(seed)
    votes = rng.choices(["a", "b", "c", "d", None], k=8)
    for k in range(1, 9):
        expected = fmean(won(chosen) for chosen in combinations(votes, k))
        assert maj_at_k(votes, "a", k) == pytest.approx(expected)


def test_maj_at_k_of_a_large_pool_is_exact():
    votes = ["right"] * 80 + [f"wrong {i % 7}" for i in range(112)] + [None] * 8

    assert maj_at_k(votes, "right", 1) == 0.4
    assert maj_at_k(votes, "right", 200) == 1.0
    assert 0.99 < maj_at_k(votes, "right", 32) < 1.0


@pytest.mark.parametrize(
    "call",
    [lambda: pass_at_k(4, 5, 1), lambda: pass_at_k(4, 1, 5), lambda: maj_at_k([], "a", 1), lambda: vote_share([])],
)
def test_impossible_counts_are_refused(call):
    with pytest.raises(ValueError, match="must be between"):
        call()


def test_accuracy_has_the_interval_of_scipy():
    rate = accuracy([True] * 17 + [False] * 6)

    interval = stats.binomtest(17, 23).proportion_ci(method="wilson")
    assert rate.value == 17 / 23
    assert (rate.low, rate.high) == pytest.approx((interval.low, interval.high))


@pytest.mark.parametrize(
    ("votes", "share"), [(["a", "a", "b", None], 0.5), ([None], 0.0), (["a"], 1.0)], ids=["unparsed", "none", "one"]
)
def test_vote_share_keeps_unparsed_votes_in_the_denominator(votes: list[str | None], share: float):
    assert vote_share(votes) == share


@pytest.mark.parametrize(
    ("votes", "k", "stability"),
    [(["a"] * 5, 2, 1.0), (["a", "a", "b"], 2, 2 / 3), (["a", "b"], 1, 0.5), ([None, None], 1, 0.0)],
)
def test_vote_stability_by_hand(votes: list[str | None], k: int, stability: float):
    assert vote_stability(votes, k) == pytest.approx(stability)


@pytest.mark.parametrize(
    ("n", "c", "level"),
    [(100, 100, 1), (100, 80, 1), (100, 79, 2), (100, 60, 2), (100, 40, 3), (100, 20, 4), (100, 19, 5), (5, 0, 5)],
)
def test_difficulty_levels_by_pass_rate(n: int, c: int, level: int):
    assert difficulty_level(n, c) == level


def test_helpfulness_and_harm_have_their_own_denominators():
    before, after = [True, True, True, False, False], [True, False, True, True, False]

    assert helpfulness(before, after) == wilson(1, 2)
    assert harm(before, after) == wilson(1, 3)
    assert harm([False], [True]) == wilson(0, 0)


def test_discriminability_is_counted_both_ways():
    verdicts = {(True, "correct"): 6, (True, "wrong"): 2, (True, None): 2, (False, "wrong"): 3, (False, None): 1}

    assert discriminability(verdicts) == CriticScore(
        right_called_correct=6,
        right_called_wrong=2,
        right_unparsed=2,
        wrong_called_correct=0,
        wrong_called_wrong=3,
        wrong_unparsed=1,
        discriminability=wilson(9, 14),
        discriminability_on_right=wilson(6, 10),
        discriminability_on_wrong=wilson(3, 4),
        discriminability_of_parsed=wilson(9, 11),
        discriminability_of_parsed_on_right=wilson(6, 8),
        discriminability_of_parsed_on_wrong=wilson(3, 3),
    )


def test_first_errors_by_hand():
    predicted = [0, 1, None, 2, NO_ERROR, NO_ERROR, 0, None]
    labels = [0, 2, 1, 2, 3, NO_ERROR, NO_ERROR, NO_ERROR]

    found = first_errors(predicted, labels)

    erroneous, correct = wilson(2, 5), wilson(1, 3)
    means = [stats.hmean([getattr(erroneous, end), getattr(correct, end)]) for end in ("value", "low", "high")]
    assert found == FirstErrors(
        on_erroneous=erroneous,
        on_correct=correct,
        f1=found.f1,
        exact=wilson(3, 8),
    )
    assert (found.f1.value, found.f1.low, found.f1.high) == pytest.approx(means)


def test_f1_needs_both_kinds_of_responses():
    assert first_errors([1], [1]).f1 == Rate(value=None, low=None, high=None, n=1)
    assert first_errors([1, 1], [0, NO_ERROR]).f1.value == 0.0
