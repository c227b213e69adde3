"""Turns a measured difference into a finding, and words it."""

from collections.abc import Iterable, Sequence
from statistics import fmean

from critique_graph.compare.strategies import Draw, PooledProblem
from critique_graph.metrics.cost import Cost, calls_of
from critique_graph.metrics.intervals import Rate
from critique_graph.study.part import Finding, Holds

FEWEST = 5
"""Number of problems below which an interval says too little for a finding to hold or not."""
NO_REFERENCES = "It needs reference answers, and no problem with one was finished."


def finding(
    part: str, name: str, statement: str, estimate: str, difference: Rate, *, compute: str, below: bool = False
) -> Finding:
    """Make a finding of a difference; the statement says that it is above zero, or below if `below` is set."""
    return Finding(
        part=part,
        name=name,
        statement=statement,
        estimate=estimate,
        value=difference.value,
        low=difference.low,
        high=difference.high,
        n=difference.n,
        compute=compute,
        holds=holds_of(difference, below=below),
    )


def holds_of(difference: Rate, *, below: bool = False) -> Holds:
    """Tell whether the whole interval is above zero (`yes`), or below (`no`); the other way round if `below` is set."""
    if difference.low is None or difference.high is None or difference.n < FEWEST:
        return "unclear"
    is_above, is_below = difference.low > 0, difference.high < 0
    if not (is_above or is_below):
        return "unclear"
    return "yes" if is_below == below else "no"


def points(difference: Rate) -> str:
    """Write a difference in points with its interval."""
    return difference.percent(sign="+", unit="points")


def percent(values: Iterable[float]) -> str:
    """Write the mean of values in percent."""
    return f"{100 * fmean(values):.1f} %"


def mean_cost(draws: Iterable[Sequence[Draw]]) -> Cost:
    """Give the mean cost of one draw."""
    costs = [draw.cost for drawn in draws for draw in drawn]
    return Cost(fmean(c.calls for c in costs), fmean(c.tokens for c in costs), fmean(c.seconds for c in costs))


def spent(cost: Cost, problems: Iterable[PooledProblem], times: float = 1) -> str:
    """Write what one side spends on a problem."""
    calls = f"{cost.calls * times:.1f} calls"
    return f"{calls} and {cost.tokens * times:,.0f} tokens" if has_tokens(problems) else calls


def has_tokens(problems: Iterable[PooledProblem]) -> bool:
    """Tell whether the tokens of every call are known."""
    return not any(call.usage.unknown_calls for problem in problems for call in calls_of(problem.trace))
