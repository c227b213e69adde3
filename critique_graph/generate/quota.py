"""Which of the kept critiques make the data set: so many, and in what proportion."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, pairwise
from math import floor
from typing import Protocol, TypeVar

from critique_graph.core.paths import PATH_SOURCES, PathSource

REST = "rest"
"""The strategies no ratio names, together."""


class HasStrategy(Protocol):
    """Anything made by a strategy."""

    @property
    def strategy(self) -> PathSource:
        """Which."""


Made = TypeVar("Made", bound=HasStrategy)


def read_ratio(ratio: Sequence[str]) -> dict[PathSource, float]:
    """Read shares such as `correct=0.3`.

    Raises:
        ValueError: One is not of that form, names no strategy, or they add up to more than 1.
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
    """Say how many of each named strategy, and of the `REST` together, make the data set.

    The largest data set with these shares, but no larger than the target; a share of 0 keeps none. Without shares the
    rest is everything.
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
    """Give the first of every part, as many as its quota; in order, so that later ones change nothing."""
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
