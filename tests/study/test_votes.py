import pytest

from critique_graph.metrics.at_k import maj_at_k
from critique_graph.metrics.majority import DRAWS
from critique_graph.study.votes import RIGHT, chance_between, chance_of_vote, doubling

SMALL = [RIGHT] * 5 + [1] * 4 + [2] * 3 + [None]
LARGE = [RIGHT] * 110 + [1] * 100 + [2] * 60 + [3] * 30


@pytest.mark.parametrize("k", [1, 2, 5, 12, 13])
def test_small_votes_are_exact(k: int):
    found = chance_of_vote(SMALL, RIGHT, k)

    assert found.value == pytest.approx(maj_at_k(SMALL, RIGHT, k))
    assert found.error == 0


def test_large_votes_are_sampled_and_say_their_error():
    found = chance_of_vote(LARGE, RIGHT, 40)

    assert 0 < found.error < 0.5 / (DRAWS - 1) ** 0.5 + 1e-9
    assert abs(found.value - maj_at_k(LARGE, RIGHT, 40)) < 4 * found.error
    assert chance_of_vote(LARGE, RIGHT, 40) == found


def test_vote_of_all_shares_a_tie():
    assert chance_of_vote([RIGHT, RIGHT, 1, 1, 2], RIGHT, 5).value == 0.5
    assert chance_of_vote([None, None], RIGHT, 2).value == 0.0


def test_between_two_numbers_of_votes_the_chances_are_mixed():
    three, four = maj_at_k(SMALL, RIGHT, 3), maj_at_k(SMALL, RIGHT, 4)

    assert chance_between(SMALL, 3.25) == pytest.approx(0.75 * three + 0.25 * four)


def test_budgets_double_up_to_the_most():
    assert (doubling(1), doubling(8), doubling(10)) == ([1], [1, 2, 4, 8], [1, 2, 4, 8, 10])
