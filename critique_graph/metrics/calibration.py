"""Calibration: of the verdicts with a confidence of 80 %, are 80 % correct?

The expected calibration error (ECE) of Guo et al. 2017, "On calibration of modern neural networks", eq. 3, with bins of
equal width. In a sample the ECE of perfectly calibrated verdicts is above 0, too, so its interval is not a bootstrap's:
percentiles of resamples of such verdicts lie above 0 and miss the truth. Wilson's intervals of the bins are joined.
"""

from collections import defaultdict
from collections.abc import Sequence
from math import ceil
from statistics import fmean

from critique_graph.core.schema import Record
from critique_graph.metrics.intervals import Rate, wilson

BINS = 10
"""Number of bins of equal width between 0 and 1; each has its upper edge."""
OUTSIDE = 0.05
"""Greatest probability that the interval of the error misses it."""
_Group = tuple[float, int, int]
"""Verdicts of one bin: their mean confidence, how many are correct, and how many there are."""


class ConfidenceBin(Record):
    """The verdicts whose confidence is in one bin: a point of a reliability diagram."""

    confidence: float
    """Mean confidence of the verdicts."""
    correct: Rate
    """Share of the verdicts that are correct, with Wilson's interval."""


class Calibration(Record):
    """How well the confidences of verdicts say how many of them are correct."""

    ece: Rate
    """Expected calibration error: distance between mean confidence and share correct, averaged over the bins by their
    number of verdicts. Its interval, rather wide, joins the least and the greatest distances of all bins."""
    bins: tuple[ConfidenceBin, ...]
    """Bins with at least one verdict, from the lowest confidence to the highest."""


def calibration(confidences: Sequence[float], outcomes: Sequence[bool]) -> Calibration:
    """Compare the confidences of verdicts with how many of them are correct.

    Args:
        confidences: Confidence of every verdict, from 0 to 1.
        outcomes: Whether each verdict is correct, in the same order.

    Raises:
        ValueError: There is not one confidence from 0 to 1 for each outcome.
    """
    if len(confidences) != len(outcomes):
        raise ValueError(f"there must be one confidence for each outcome, got {len(confidences)} and {len(outcomes)}.")
    if strange := [value for value in confidences if not 0 <= value <= 1]:
        raise ValueError(f"confidences must be between 0 and 1, got {strange[0]}.")
    binned: defaultdict[int, list[tuple[float, bool]]] = defaultdict(list)
    for value, is_correct in zip(confidences, outcomes, strict=True):
        binned[_bin_of(value)].append((value, is_correct))
    groups = [
        (fmean(value for value, _ in verdicts), sum(is_correct for _, is_correct in verdicts), len(verdicts))
        for _, verdicts in sorted(binned.items())
    ]
    bins = (ConfidenceBin(confidence=mean, correct=wilson(hits, n)) for mean, hits, n in groups)
    return Calibration(ece=_error(groups), bins=tuple(bins))


def _bin_of(confidence: float) -> int:
    return max(0, ceil(round(confidence * BINS, 9)) - 1)  # rounded, because 0.7 * 10 is above 7


def _error(groups: Sequence[_Group]) -> Rate:
    """Average the distances; their limits hold for all bins at once (Bonferroni)."""
    total = sum(n for _, _, n in groups)
    if total == 0:
        return Rate(value=None, low=None, high=None, n=0)
    value = low = high = 0.0
    for confidence, hits, n in groups:
        correct = wilson(hits, n, 1 - OUTSIDE / len(groups))
        below, above = confidence - (correct.low or 0.0), (correct.high or 0.0) - confidence
        value += n * abs(hits / n - confidence) / total
        low += n * max(0.0, -below, -above) / total
        high += n * max(below, above) / total
    return Rate(value=value, low=low, high=high, n=total)
