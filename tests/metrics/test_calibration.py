import math

import pytest

from critique_graph.metrics.calibration import Calibration, ConfidenceBin, calibration
from critique_graph.metrics.intervals import Rate, wilson


def verdicts(*groups: tuple[float, int, int]) -> tuple[list[float], list[bool]]:
    """Verdicts from groups of confidence, number of correct ones, and number of all."""
    confidences = [value for value, _, n in groups for _ in range(n)]
    outcomes = [number < correct for _, correct, n in groups for number in range(n)]
    return confidences, outcomes


def test_error_of_perfectly_calibrated_verdicts_is_0():
    found = calibration(*verdicts((0.25, 10, 40), (0.5, 20, 40), (0.75, 30, 40), (1.0, 40, 40)))
    assert found.ece.value == pytest.approx(0, abs=1e-12)
    assert [(point.confidence, point.correct.value) for point in found.bins] == [
        (share, share) for share in (0.25, 0.5, 0.75, 1.0)
    ]


@pytest.mark.parametrize("confidence", [0.0, 0.3, 0.6, 0.7, 1.0])
def test_error_of_a_constant_confidence_is_its_distance_from_the_share_correct(confidence: float):
    found = calibration(*verdicts((confidence, 60, 80)))
    assert found.ece.value == pytest.approx(abs(confidence - 0.75))
    assert len(found.bins) == 1


def test_interval_of_a_constant_confidence_is_that_of_the_share_correct():
    found = calibration(*verdicts((1.0, 800, 1000)))
    assert found.ece.low is not None
    assert found.ece.high is not None
    spread = 1.96 * math.sqrt(0.8 * 0.2 / 1000)
    assert found.ece.low == pytest.approx(0.2 - spread, abs=0.004)
    assert found.ece.high == pytest.approx(0.2 + spread, abs=0.004)


def test_bins_have_their_upper_edge_and_the_error_is_weighted_by_their_verdicts():
    found = calibration(*verdicts((0.61, 1, 2), (0.7, 1, 1), (0.71, 0, 1)))
    assert [(point.confidence, point.correct) for point in found.bins] == [
        (pytest.approx(0.64), wilson(2, 3)),
        (0.71, wilson(0, 1)),
    ]
    assert found.ece.value == pytest.approx((3 * (2 / 3 - 0.64) + 0.71) / 4)


def test_gaps_of_one_bin_cancel_out_and_those_of_two_bins_do_not():
    together = calibration(*verdicts((0.52, 1, 1), (0.58, 0, 1)))
    apart = calibration(*verdicts((0.45, 1, 1), (0.55, 0, 1)))
    assert together.ece.value == pytest.approx(0.05)
    assert apart.ece.value == pytest.approx(0.55)


def test_interval_of_verdicts_that_are_nearly_calibrated_holds_0():
    found = calibration(*verdicts((0.6, 11, 20), (0.8, 25, 30), (1.0, 50, 50)))
    assert found.ece.low == 0
    assert found.ece.value == pytest.approx((1 + 1) / 100)


def test_limits_of_every_bin_hold_at_once():
    found = calibration(*verdicts((0.6, 0, 20), (1.0, 60, 80))).ece
    first, last = wilson(0, 20, 0.975), wilson(60, 80, 0.975)
    assert found.value == pytest.approx(0.2 * 0.6 + 0.8 * 0.25)
    assert found.low == pytest.approx(0.2 * (0.6 - (first.high or 0)) + 0.8 * (1 - (last.high or 0)))
    assert found.high == pytest.approx(0.2 * 0.6 + 0.8 * (1 - (last.low or 0)))


def test_no_verdicts_have_no_error():
    assert calibration([], []) == Calibration(ece=Rate(value=None, low=None, high=None, n=0), bins=())


def test_one_verdict_has_an_error():
    assert calibration([0.9], [True]).bins == (ConfidenceBin(confidence=0.9, correct=wilson(1, 1)),)


@pytest.mark.parametrize(
    ("confidences", "outcomes", "message"),
    [([0.5], [], "one confidence for each outcome, got 1 and 0"), ([1.5], [True], "between 0 and 1, got 1.5")],
    ids=["lengths", "range"],
)
def test_what_is_no_confidence_is_refused(confidences: list[float], outcomes: list[bool], message: str):
    with pytest.raises(ValueError, match=message):
        calibration(confidences, outcomes)
