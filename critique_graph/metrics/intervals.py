"""Rates with their confidence intervals: one proportion, and the difference of two measured on the same problems.

The intervals are score-based, because runs are small: such intervals stay inside the possible range and keep their
width at 0 and 100 %. Where a problem counts for a fraction, such as the mean over many draws from a pool, differences
are bootstrapped.
"""

import random
from collections.abc import Sequence
from itertools import compress
from math import ceil, floor, sqrt
from statistics import NormalDist, fmean

from critique_graph.core.schema import Record


class Rate(Record):
    """A proportion, or a difference of two, with its confidence interval. Without data all fields but `n` are None."""

    value: float | None
    low: float | None
    high: float | None
    n: int

    def percent(self, *, sign: str = "", unit: str = "%") -> str:
        """Write the rate in percent with its interval: `52.0 % [45.1, 58.8]`; a dash without data."""
        if self.value is None or self.low is None or self.high is None:
            return "-"
        value, low, high = (f"{100 * x:{sign}.1f}" for x in (self.value, self.low, self.high))
        return " ".join(filter(None, (value, unit, f"[{low}, {high}]")))


RESAMPLES = 2000
"""Resamples of a bootstrap: a 95 % interval leaves out the 50 lowest and the 50 highest values."""


def wilson(successes: float, n: int, confidence: float = 0.95) -> Rate:
    """Share of successes with its score interval (Wilson 1927, without continuity correction).

    Args:
        successes: Number of successes. If each of the `n` trials counts for a share between 0 and 1, the sum of the
            shares; the interval is then rather too wide, because such shares vary less than successes.
        n: Number of trials.
        confidence: Intended coverage, between 0 and 1.
    """
    if not 0 <= successes <= n:
        raise ValueError(f"successes must be between 0 and n, got {successes} of {n}.")
    z = _normal_quantile(confidence)
    if n == 0:
        return Rate(value=None, low=None, high=None, n=0)
    low, high = _wilson_limits(successes, n, z)
    return Rate(value=successes / n, low=low, high=high, n=n)


def paired_difference(before: Sequence[bool], after: Sequence[bool], confidence: float = 0.95) -> Rate:
    """Share correct `after` minus share correct `before`, on the same problems, with its interval.

    The interval squares and adds the Wilson limits of both shares, minus the part that their correlation explains
    (Newcombe 1998, "Improved confidence intervals for the difference between binomial proportions based on paired
    data", Statistics in Medicine 17, method 10). It is valid for small samples, and if few or no problems change.

    Args:
        before: Whether each problem was correct the first time.
        after: The same problems, in the same order.
        confidence: Intended coverage, between 0 and 1.
    """
    n, z = len(before), _normal_quantile(confidence)
    if len(after) != n:
        raise ValueError(f"before and after must be of the same problems, got {n} and {len(after)}.")
    if n == 0:
        return Rate(value=None, low=None, high=None, n=0)
    first, last, both = sum(before), sum(after), sum(compress(before, after))
    first_low, first_high = _wilson_limits(first, n, z)
    last_low, last_high = _wilson_limits(last, n, z)
    correlation = _correlation(both=both, first=first, last=last, n=n)
    value = (last - first) / n
    below = _distance(last / n - last_low, first_high - first / n, correlation)
    above = _distance(last_high - last / n, first / n - first_low, correlation)
    return Rate(value=value, low=max(-1.0, value - below), high=min(1.0, value + above), n=n)


def paired_bootstrap(
    before: Sequence[float],
    after: Sequence[float],
    confidence: float = 0.95,
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Rate:
    """Mean of `after` minus mean of `before`, on the same problems, with a percentile interval (Efron 1979).

    Problems are drawn with replacement, and both values of a problem together. This is for values other than correct
    and wrong; for those `paired_difference` is better, because this interval has no width if all problems differ by the
    same amount.

    Args:
        before: One value per problem.
        after: The same problems, in the same order.
        confidence: Intended coverage, between 0 and 1.
        seed: Seed of the draws.
        resamples: Number of draws.
    """
    if len(before) != len(after):
        raise ValueError(f"before and after must be of the same problems, got {len(before)} and {len(after)}.")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1, got {confidence}.")
    differences = [b - a for a, b in zip(before, after, strict=True)]
    n, rng = len(differences), random.Random(seed)
    if n == 0:
        return Rate(value=None, low=None, high=None, n=0)
    means = sorted(sum(rng.choices(differences, k=n)) / n for _ in range(resamples))
    outside = (1 - confidence) / 2 * resamples
    return Rate(value=fmean(differences), low=means[floor(outside)], high=means[ceil(resamples - outside) - 1], n=n)


def independent_difference(before: Rate, after: Rate) -> Rate:
    """Difference of two figures of different problems, from their intervals; `n` counts the problems of both.

    The distances of the limits are squared and added (Zou and Donner 2008, "Construction of confidence limits about
    effect measures: a general approach", Statistics in Medicine 27).
    """
    n = before.n + after.n
    if before.value is None or after.value is None:
        return Rate(value=None, low=None, high=None, n=n)
    assert None not in (before.low, before.high, after.low, after.high)
    value = after.value - before.value
    below = _distance(after.value - after.low, before.high - before.value, 0.0)  # type: ignore[operator]
    above = _distance(after.high - after.value, before.value - before.low, 0.0)  # type: ignore[operator]
    return Rate(value=value, low=value - below, high=value + above, n=n)


def clustered_share(hits: Sequence[int], sizes: Sequence[int], confidence: float = 0.95) -> Rate:
    """Share of items that are hits, where items come in clusters, such as rows by problem; `n` counts the clusters.

    The normal interval of a ratio estimator, linearised (Cochran 1977, "Sampling techniques", section 6.4), for
    clusters drawn independently. If all items agree, that interval has no width, and Wilson's for the number of
    clusters replaces it.

    Args:
        hits: Number of hits in every cluster.
        sizes: Number of items in every cluster.
        confidence: Intended coverage, between 0 and 1.
    """
    n, total, z = sum(size > 0 for size in sizes), sum(sizes), _normal_quantile(confidence)
    if total == 0:
        return Rate(value=None, low=None, high=None, n=0)
    share = sum(hits) / total
    if share in (0.0, 1.0):
        low, high = _wilson_limits(n if share else 0, n, z)
        return Rate(value=share, low=low, high=high, n=n)
    if n == 1:
        return Rate(value=share, low=0.0, high=1.0, n=1)
    variance = sum((hit - share * size) ** 2 for hit, size in zip(hits, sizes, strict=True)) * n / (n - 1) / total**2
    spread = z * sqrt(variance)
    return Rate(value=share, low=max(0.0, share - spread), high=min(1.0, share + spread), n=n)


def paired_shares(
    before: Sequence[tuple[int, int]], after: Sequence[tuple[int, int]], confidence: float = 0.95
) -> Rate:
    """Share of hits `after` minus share of hits `before`, among items of the same clusters, such as rows by problem.

    The linearised interval of `clustered_share` for the difference of two ratios; there is none if no cluster varies.
    `n` counts the clusters with items on either side.

    Args:
        before: Number of hits and number of items in every cluster.
        after: The same clusters, in the same order.
        confidence: Intended coverage, between 0 and 1.
    """
    if len(before) != len(after):
        raise ValueError(f"before and after must be of the same clusters, got {len(before)} and {len(after)}.")
    z = _normal_quantile(confidence)
    totals = [sum(size for _, size in side) for side in (before, after)]
    n = sum(first[1] + last[1] > 0 for first, last in zip(before, after, strict=True))
    if not all(totals):
        return Rate(value=None, low=None, high=None, n=n)
    shares = [sum(hits for hits, _ in side) / total for side, total in zip((before, after), totals, strict=True)]
    value = shares[1] - shares[0]
    offsets = [
        (last[0] - shares[1] * last[1]) / totals[1] - (first[0] - shares[0] * first[1]) / totals[0]
        for first, last in zip(before, after, strict=True)
    ]
    spread = z * sqrt(sum(offset * offset for offset in offsets) * n / (n - 1)) if n > 1 else 0.0
    if spread == 0:
        return Rate(value=value, low=None, high=None, n=n)
    return Rate(value=value, low=max(-1.0, value - spread), high=min(1.0, value + spread), n=n)


def _wilson_limits(successes: float, n: int, z: float) -> tuple[float, float]:
    centre = successes + z * z / 2
    spread = z * sqrt(successes * (n - successes) / n + z * z / 4)
    scale = n + z * z
    # Without this case, rounding would leave 1e-17 where the limit is exactly 0 or 1.
    low = 0.0 if successes == 0 else (centre - spread) / scale
    high = 1.0 if successes == n else (centre + spread) / scale
    return low, high


def _distance(a: float, b: float, correlation: float) -> float:
    """Length of the difference of two correlated errors; the maximum keeps rounding from making it negative."""
    return sqrt(max(0.0, a * a - 2 * correlation * a * b + b * b))


def _correlation(*, both: int, first: int, last: int, n: int) -> float:
    """Newcombe's correlation of the two outcomes: continuity-corrected where positive, 0 where one never varies."""
    variation = first * (n - first) * last * (n - last)
    if variation == 0:
        return 0.0
    neither = n - first - last + both
    excess = both * neither - (first - both) * (last - both)
    corrected = max(0.0, excess - n / 2) if excess > 0 else excess
    return corrected / sqrt(variation)


def _normal_quantile(confidence: float) -> float:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1, got {confidence}.")
    return NormalDist().inv_cdf((1 + confidence) / 2)
