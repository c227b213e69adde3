"""Which of the kept critiques make the data set."""

from dataclasses import dataclass

import pytest

from critique_graph.generate.quota import REST, has_enough, quotas, read_ratio, selected

COUNTS = {"rg1": 10, "rg2": 20, "rg3": 30, "correct": 15}


@dataclass(frozen=True)
class Made:
    strategy: str
    number: int


def test_without_wishes_everything_is_taken():
    assert quotas(COUNTS, {}, None) == {REST: 75}


def test_target_takes_the_first():
    made = [Made("rg1", n) for n in range(10)]
    assert list(selected(made, quotas({"rg1": 10}, {}, 4), {})) == made[:4]


def test_target_that_is_not_reached_takes_what_there_is():
    assert quotas(COUNTS, {}, 100) == {REST: 75}


def test_ratio_makes_the_largest_data_set_that_has_it():
    assert quotas(COUNTS, {"correct": 0.5}, None) == {"correct": 15, REST: 15}
    assert quotas(COUNTS, {"correct": 0.1}, None) == {"correct": 7, REST: 59}
    assert quotas(COUNTS, {"correct": 0.25, "rg1": 0.25}, 20) == {"correct": 5, "rg1": 5, REST: 10}


def test_parts_add_up_to_the_target_also_where_shares_do_not_come_out_even():
    shares = {"correct": 0.5, "rg1": 0.5}
    for target in range(1, 12):
        quota = quotas(COUNTS, shares, target)
        assert (sum(quota.values()), quota[REST]) == (target, 0)


def test_share_of_nothing_keeps_none():
    assert quotas(COUNTS, {"correct": 0.0}, None) == {"correct": 0, REST: 60}


def test_selection_keeps_the_order_and_later_ones_change_nothing():
    made = [Made(strategy, n) for n, strategy in enumerate(["rg1", "correct", "correct", "rg2", "rg1", "correct"])]
    shares = {"correct": 0.5}
    first = list(selected(made, quotas(COUNTS, shares, 4), shares))
    assert [item.number for item in first] == [0, 1, 2, 3]
    assert list(selected([*made, Made("rg3", 9)], quotas(COUNTS, shares, 4), shares)) == first


def test_enough_is_what_target_and_ratio_ask_for():
    assert has_enough(COUNTS, {}, 75)
    assert not has_enough(COUNTS, {}, 76)
    assert not has_enough(COUNTS, {"correct": 0.5}, 31)
    assert has_enough(COUNTS, {"correct": 0.5}, 30)
    assert not has_enough(COUNTS, {}, None)


@pytest.mark.parametrize(
    "ratio", [("correct",), ("correct=x",), ("right=0.5",), ("correct=1.5",), ("rg1=0.7", "rg2=0.7")]
)
def test_ratio_that_is_none_is_refused(ratio: tuple[str, ...]):
    with pytest.raises(ValueError, match="share"):
        read_ratio(ratio)
