"""Majority votes for many k at once: exact for few votes, sampled with a stated error for many."""

from itertools import combinations
from statistics import fmean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from critique_graph.metrics.majority import DRAWS, Chance, chances_of_votes, count_majorities

VOTES = st.lists(st.sampled_from(["a", "b", "c", "d", None]), min_size=1, max_size=9)
MANY = ["a"] * 120 + ["b"] * 100 + [f"wrong {i % 7}" for i in range(70)] + [None] * 10


def won(chosen: tuple[str | None, ...]) -> float:
    counts = {vote: chosen.count(vote) for vote in chosen if vote is not None}
    leaders = [vote for vote, count in counts.items() if count == max(counts.values())]
    return leaders.count("a") / len(leaders) if leaders else 0.0


@settings(max_examples=60, deadline=None)
@given(VOTES)
def test_every_k_has_the_mean_over_all_subsets(votes: list[str | None]):
    budgets = range(1, len(votes) + 1)

    assert count_majorities(votes, "a", budgets) == pytest.approx(
        [fmean(map(won, combinations(votes, k))) for k in budgets]
    )


def test_many_votes_are_sampled_within_the_stated_error():
    budgets = [1, 2, 30, 150]

    found = chances_of_votes(MANY, "a", budgets, seed=1)

    for chance, exact in zip(found, count_majorities(MANY, "a", budgets), strict=True):
        assert 0 < chance.error < 0.5 / (DRAWS - 1) ** 0.5 + 1e-9
        assert abs(chance.value - exact) < 4 * chance.error
    assert chances_of_votes(MANY, "a", budgets, seed=1) == found


@pytest.mark.parametrize(
    ("votes", "right", "chance"),
    [
        (MANY, "a", 1.0),
        (MANY, "b", 0.0),
        (MANY, None, 0.0),
        ([*MANY, *["b"] * 20], "a", 0.5),
        ([None] * 300, "a", 0.0),
    ],
    ids=["won", "lost", "nobody", "tie", "unparsed"],
)
def test_vote_of_all_is_never_sampled(votes: list[str | None], right: str | None, chance: float):
    assert chances_of_votes(votes, right, [len(votes)]) == [Chance(chance, 0.0)]


@pytest.mark.parametrize("k", [0, 301])
def test_impossible_numbers_of_votes_are_refused(k: int):
    with pytest.raises(ValueError, match="k must be between 1 and the number of responses"):
        chances_of_votes(MANY, "a", [k])
