import random

import pytest
from scipy import stats

from critique_graph.metrics.intervals import (
    Rate,
    clustered_share,
    paired_bootstrap,
    paired_difference,
    paired_shares,
    wilson,
)


def paired(both: int, first_only: int, last_only: int, neither: int) -> tuple[list[bool], list[bool]]:
    """Outcomes before and after, from the four cells of the table of pairs."""
    before = [True] * (both + first_only) + [False] * (last_only + neither)
    after = [True] * both + [False] * first_only + [True] * last_only + [False] * neither
    return before, after


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [
        # Newcombe 1998 (two-sided intervals for the single proportion), table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_gives_the_published_limits(successes: int, n: int, low: float, high: float) -> None:
    rate = wilson(successes, n)

    assert rate.value == successes / n
    assert rate.low == pytest.approx(low, abs=5e-5)
    assert rate.high == pytest.approx(high, abs=5e-5)


@pytest.mark.parametrize(
    ("cells", "value", "low", "high"),
    [
        # Fagerland, Lydersen, Laake: Statistical Analysis of Contingency Tables, ch. 8, and its R package
        # `contingencytables`; there the difference is first minus last, so first and last are exchanged here.
        ((59, 16, 6, 80), -0.0621, -0.1186, -0.0046),  # Cavo et al. 2012
        ((1, 7, 1, 12), -0.286, -0.507, -0.026),  # Bentur et al. 2009
    ],
)
def test_paired_difference_gives_the_published_limits(
    cells: tuple[int, int, int, int], value: float, low: float, high: float
) -> None:
    digits = 5e-4 if low == -0.507 else 5e-5

    rate = paired_difference(*paired(*cells))

    assert rate.value == pytest.approx(value, abs=digits)
    assert rate.low == pytest.approx(low, abs=digits)
    assert rate.high == pytest.approx(high, abs=digits)


def test_paired_difference_changes_sign_when_before_and_after_are_exchanged() -> None:
    before, after = paired(30, 2, 9, 59)

    forward, backward = paired_difference(before, after), paired_difference(after, before)

    assert forward.value == 0.07
    assert backward.value == -0.07
    assert (backward.low, backward.high) == pytest.approx((-forward.high, -forward.low))  # type: ignore[operator]


@pytest.mark.parametrize("cells", [(5, 0, 0, 0), (0, 0, 0, 5)], ids=["all right", "all wrong"])
def test_paired_difference_without_any_change_still_has_width(cells: tuple[int, int, int, int]) -> None:
    rate = paired_difference(*paired(*cells))

    assert rate.value == 0
    assert rate.low == pytest.approx(-0.4345, abs=1e-4)
    assert rate.high == pytest.approx(0.4345, abs=1e-4)


def test_paired_difference_stays_within_the_possible_range() -> None:
    rng = random.Random(0)
    for _ in range(300):
        cells = [rng.choice([0, 0, 1, 2, 7]) for _ in range(4)]
        if not sum(cells):
            continue
        rate = paired_difference(*paired(*cells))
        assert rate.low is not None
        assert rate.value is not None
        assert rate.high is not None
        assert -1 <= rate.low <= rate.value <= rate.high <= 1


def test_paired_difference_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = random.Random(0)
    covered = 0
    for _ in range(1000):
        outcomes = rng.choices([(True, True), (True, False), (False, True), (False, False)], [60, 5, 10, 25], k=100)
        rate = paired_difference([first for first, _ in outcomes], [last for _, last in outcomes])
        assert rate.low is not None
        assert rate.high is not None
        covered += rate.low <= 0.05 <= rate.high
    assert 930 <= covered <= 985


def test_interval_grows_with_confidence() -> None:
    narrow, wide = wilson(5, 10, confidence=0.8), wilson(5, 10, confidence=0.99)

    assert wide.low < narrow.low < narrow.high < wide.high  # type: ignore[operator]


@pytest.mark.parametrize("rate", [wilson(0, 0), paired_difference([], [])], ids=["wilson", "paired"])
def test_rate_of_nothing_is_unknown(rate: Rate) -> None:
    assert rate.model_dump() == {"value": None, "low": None, "high": None, "n": 0}


def test_rate_prints_as_the_four_keys_of_the_command_line() -> None:
    assert list(wilson(1, 2).model_dump(mode="json")) == ["value", "low", "high", "n"]


def test_wilson_refuses_more_successes_than_trials() -> None:
    with pytest.raises(ValueError, match=r"successes must be between 0 and n, got 3 of 2\."):
        wilson(3, 2)


def test_paired_difference_refuses_unequal_lengths() -> None:
    with pytest.raises(ValueError, match=r"must be of the same problems, got 1 and 2\."):
        paired_difference([True], [True, False])


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95.0])
def test_confidence_must_be_a_share(confidence: float) -> None:
    with pytest.raises(ValueError, match="confidence must be between 0 and 1"):
        wilson(1, 2, confidence)


def test_paired_bootstrap_agrees_with_scipy() -> None:
    rng = random.Random(5)
    before = [rng.random() for _ in range(80)]
    after = [min(1.0, value + rng.uniform(-0.2, 0.4)) for value in before]

    rate = paired_bootstrap(before, after, seed=1, resamples=10_000)

    reference = stats.bootstrap(
        (before, after),
        lambda a, b, axis: (b - a).mean(axis=axis),
        paired=True,
        method="percentile",
        n_resamples=10_000,
        rng=1,
    ).confidence_interval
    assert rate.value == pytest.approx(sum(after) / 80 - sum(before) / 80)
    assert (rate.low, rate.high) == pytest.approx((reference.low, reference.high), abs=2e-3)


def test_paired_bootstrap_repeats_with_its_seed() -> None:
    before, after = [0.0, 0.5, 1.0, 0.25], [1.0, 0.5, 0.0, 1.0]

    assert paired_bootstrap(before, after, seed=3) == paired_bootstrap(before, after, seed=3)
    assert paired_bootstrap(before, before) == Rate(value=0.0, low=0.0, high=0.0, n=4)
    assert paired_bootstrap([], []) == Rate(value=None, low=None, high=None, n=0)
    with pytest.raises(ValueError, match="of the same problems"):
        paired_bootstrap(before, [])


def test_share_of_single_items_is_about_a_proportion() -> None:
    rate = clustered_share([1] * 30 + [0] * 70, [1] * 100)
    spread = 1.96 * (0.3 * 0.7 / 99) ** 0.5
    assert rate.value == pytest.approx(0.3)
    assert (rate.low, rate.high) == (pytest.approx(0.3 - spread, abs=1e-4), pytest.approx(0.3 + spread, abs=1e-4))


def test_copies_within_clusters_make_no_share_more_certain() -> None:
    once, fourfold = clustered_share([1, 0, 0, 1, 0], [1] * 5), clustered_share([4, 0, 0, 4, 0], [4] * 5)
    assert fourfold == once
    assert fourfold.n == 5


@pytest.mark.parametrize(("hits", "expected"), [([0, 0, 0], wilson(0, 3)), ([2, 1, 4], wilson(3, 3))])
def test_share_that_never_varies_has_the_limits_of_its_clusters(hits: list[int], expected: Rate) -> None:
    assert clustered_share(hits, [2, 1, 4]) == expected


def test_share_of_nothing_is_unknown() -> None:
    assert clustered_share([], []) == Rate(value=None, low=None, high=None, n=0)


@pytest.mark.parametrize(
    ("rate", "text"),
    [(Rate(value=0.5, low=0.25, high=0.75, n=10), "50.0 % [25.0, 75.0]"), (wilson(0, 0), "-")],
    ids=["share", "no data"],
)
def test_rate_is_written_in_percent(rate: Rate, text: str) -> None:
    assert rate.percent() == text


def test_difference_is_written_in_points_with_its_sign() -> None:
    gain = Rate(value=0.05, low=-0.1, high=0.2, n=10)
    assert gain.percent(sign="+", unit="points") == "+5.0 points [-10.0, +20.0]"


def test_difference_of_shares_of_other_items_is_that_of_two_proportions() -> None:
    rate = paired_shares([(1, 1)] * 30 + [(0, 1)] * 70 + [(0, 0)] * 100, [(0, 0)] * 100 + [(1, 1)] * 50 + [(0, 1)] * 50)
    spread = 1.96 * (0.3 * 0.7 / 100 + 0.5 * 0.5 / 100) ** 0.5
    assert rate.value == pytest.approx(0.2)
    assert (rate.low, rate.high) == (pytest.approx(0.2 - spread, abs=1e-3), pytest.approx(0.2 + spread, abs=1e-3))
    assert rate.n == 200


def test_difference_of_shares_is_sharper_where_both_sides_share_their_clusters() -> None:
    sides = [(3, 4), (0, 4), (4, 4), (1, 4)], [(4, 4), (0, 4), (4, 4), (2, 4)]
    paired_rate = paired_shares(*sides)
    apart = paired_shares([*sides[0], *[(0, 0)] * 4], [*[(0, 0)] * 4, *sides[1]])
    assert paired_rate.value == apart.value == pytest.approx(2 / 16)
    assert paired_rate.low is not None
    assert apart.low is not None
    assert paired_rate.low > apart.low


def test_difference_of_shares_that_never_vary_has_no_interval() -> None:
    assert paired_shares([(2, 2), (1, 1)], [(0, 1), (0, 3)]) == Rate(value=-1.0, low=None, high=None, n=2)
    assert paired_shares([(0, 0)], [(1, 1)]) == Rate(value=None, low=None, high=None, n=1)
    with pytest.raises(ValueError, match="of the same clusters"):
        paired_shares([], [(1, 1)])
