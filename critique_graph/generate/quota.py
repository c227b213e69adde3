"""Chooses which of the kept critiques go into the data set: how many, and in what proportion."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, pairwise
from math import floor
from typing import Protocol, TypeVar

from critique_graph.core.paths import PATH_SOURCES, PathSource

REST = "rest"
"""Name of the part that has all strategies that no ratio names."""


class HasStrategy(Protocol):
    """Anything made by a strategy."""

    @property
    def strategy(self) -> PathSource:
        """The strategy that made it."""


Made = TypeVar("Made", bound=HasStrategy)


def read_ratio(ratio: Sequence[str]) -> dict[PathSource, float]:
    """Read shares such as `correct=0.3`.

    Raises:
        ValueError: A share is not of that form or names no strategy, or the shares add up to more than 1.
    """
    shares: dict[PathSource, float] = {}
    for text in ratio:
        name, _, number = text.partition("=")
        strategy = next((known for known in PATH_SOURCES if known == name), None)
        try:
            share = float(number)
        except ValueError:
            share = -1.0
        if strategy is None or not 0 <= share <= 1:
            raise ValueError(f"a share is STRATEGY=NUMBER, as correct=0.3, of {', '.join(PATH_SOURCES)}; not {text!r}")
        shares[strategy] = share
    if sum(shares.values()) > 1:
        raise ValueError(f"the shares add up to more than 1: {', '.join(ratio)}")
    return shares


def quotas(counts: Mapping[PathSource, int], shares: Mapping[PathSource, float], target: int | None) -> dict[str, int]:
    """Give the number of rows of each named strategy, and of the `REST` together, in the data set.

    This is the largest data set with these shares that is not larger than the target; a share of 0 keeps none. Without
    shares, the rest is everything.
    """
    total = sum(counts.values()) if target is None else target
    parts: dict[str, float] = {
        **{str(name): part for name, part in shares.items()},
        REST: max(0.0, 1 - sum(shares.values())),
    }
    there = Counter[str]()
    for strategy, count in counts.items():
        there[_part(strategy, shares)] += count
    total = min([total, *(floor(there[name] / part + 1e-9) for name, part in parts.items() if part > 1e-9)])
    bounds = [round(total * share) for share in accumulate(parts.values(), initial=0.0)]
    return {name: bound - before for name, (before, bound) in zip(parts, pairwise(bounds), strict=True)}


def selected(made: Iterable[Made], quota: Mapping[str, int], shares: Mapping[PathSource, float]) -> Iterator[Made]:
    """Give the first items of every part, as many as its quota, in order, so that later items change nothing."""
    left = dict(quota)
    for item in made:
        name = _part(item.strategy, shares)
        if left[name] > 0:
            left[name] -= 1
            yield item


def has_enough(counts: Mapping[PathSource, int], shares: Mapping[PathSource, float], target: int | None) -> bool:
    """Tell whether a data set of the target's size and these shares can be made."""
    return target is not None and sum(quotas(counts, shares, target).values()) >= target


def _part(strategy: PathSource, shares: Mapping[PathSource, float]) -> str:
    return strategy if strategy in shares else REST
