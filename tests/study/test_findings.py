import pytest

from critique_graph.metrics.intervals import Rate, independent_difference
from critique_graph.study.findings import finding, holds_of


def rate(value: float, low: float, high: float, n: int = 40) -> Rate:
    return Rate(value=value, low=low, high=high, n=n)


@pytest.mark.parametrize(
    ("difference", "holds", "holds_below"),
    [
        (rate(0.1, 0.02, 0.2), "yes", "no"),
        (rate(-0.1, -0.2, -0.02), "no", "yes"),
        (rate(0.1, -0.02, 0.2), "unclear", "unclear"),
        (rate(0.0, 0.0, 0.0), "unclear", "unclear"),
        (rate(0.5, 0.5, 0.5, n=2), "unclear", "unclear"),
        (Rate(value=None, low=None, high=None, n=0), "unclear", "unclear"),
    ],
    ids=["above", "below", "across", "no difference", "too few", "no data"],
)
def test_a_finding_holds_if_its_interval_is_on_the_side_of_the_statement(
    difference: Rate, holds: str, holds_below: str
):
    assert (holds_of(difference), holds_of(difference, below=True)) == (holds, holds_below)


def test_finding_has_the_numbers_of_its_difference():
    found = finding("scaling", "name", "Statement.", "Estimate.", rate(0.1, 0.02, 0.2), compute="matched")

    assert (found.value, found.low, found.high, found.n, found.holds) == (0.1, 0.02, 0.2, 40, "yes")


def test_difference_between_different_problems_adds_both_errors():
    found = independent_difference(rate(0.1, 0.0, 0.2, n=30), rate(0.5, 0.4, 0.6, n=20))

    assert found.value == pytest.approx(0.4)
    assert found.low == pytest.approx(0.4 - 0.02**0.5)
    assert found.high == pytest.approx(0.4 + 0.02**0.5)
    assert found.n == 50


def test_difference_of_a_group_without_data_has_no_value():
    assert independent_difference(Rate(value=None, low=None, high=None, n=0), rate(0.5, 0.4, 0.6)).value is None
