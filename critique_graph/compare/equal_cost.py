"""Compares every strategy on one pool with majority vote at equal calls, tokens and seconds.

Majority vote of k responses gives a curve of accuracy over mean cost; for a cost between k and k + 1 votes, we
interpolate between the two accuracies. A strategy is compared with that curve at its own mean cost, problem by problem
(paired bootstrap, with fixed interpolation weights). The paper compares k chains with a critic to 3k votes: if every
response is refined, that is the comparison at equal calls.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import fsum
from operator import mul
from statistics import fmean

from critique_graph.compare.comparison import AXES, Axis, Comparison, Matched, Point, StrategyFigures
from critique_graph.compare.report import verdict_of
from critique_graph.compare.strategies import CRITIC_LOOP, CRITIC_LOOP_VOTE, MAJORITY, SAMPLE, Strategy
from critique_graph.compare.tallies import Pool, Tally
from critique_graph.core.errors import InputError
from critique_graph.core.schema import Trace
from critique_graph.grading.grader import Grader
from critique_graph.metrics.intervals import paired_bootstrap, wilson
from critique_graph.metrics.judgement import discriminability
from critique_graph.runs.folder import RunState


@dataclass(frozen=True)
class _Curve:
    """Accuracy and cost of a strategy as functions of its number of chains."""

    strategy: Strategy
    budgets: list[int]
    chances: Sequence[Sequence[float]]
    """Probability of a correct answer, for every budget and every problem."""
    unit: dict[Axis, float]
    """Mean cost of one chain; axes of unknown cost are absent."""

    def at(self, axis: Axis, cost: float) -> tuple[float, list[float]] | None:
        """Give the number of chains at a cost, and the probability for every problem; None outside the curve."""
        chains = cost / self.unit[axis] if self.unit[axis] else 0.0
        chains = next((float(k) for k in self.budgets if abs(chains - k) < 1e-9 * k), chains)
        for index, (low, high) in enumerate(pairwise([*self.budgets, self.budgets[-1]])):
            if low <= chains <= high:
                share = (chains - low) / (high - low) if high > low else 0.0
                upper = self.chances[min(index + 1, len(self.budgets) - 1)]
                return chains, [(1 - share) * a + share * b for a, b in zip(self.chances[index], upper, strict=True)]
        return None

    def point(self, index: int) -> Point:
        k, tokens, seconds = self.budgets[index], self.unit.get("tokens"), self.unit.get("seconds")
        return Point(
            chains=k,
            accuracy=fmean(self.chances[index]),
            calls_per_problem=k * self.unit["calls"],
            tokens_per_problem=None if tokens is None else k * tokens,
            seconds_per_problem=None if seconds is None else k * seconds,
        )


async def compare_traces(
    traces: Iterable[Trace],
    *,
    grader: Grader,
    seconds: float,
    run: str,
    unfinished: int = 0,
    seed: int = 0,
    state: RunState = "complete",
    reason: str | None = None,
) -> Comparison:
    """Compare all strategies whose calls are in the traces of one run. No model is called.

    Args:
        traces: Traces of the run's finished problems, with equal settings, several samples, and references.
        grader: Grader that groups equal answers.
        seconds: Duration of the run.
        run: Path of the run's folder.
        unfinished: Number of problems that are not done.
        seed: Seed of the bootstrap.
        state: How the run ended.
        reason: Why the run stopped early.

    Raises:
        InputError: There is nothing to compare.
    """
    pool = Pool(run)
    for trace in traces:
        await pool.add(trace, grader)
    first = pool.first_graded
    if pool.first is None:
        raise InputError(f"{run}: there are no finished problems to compare.")
    if first is None:
        raise InputError(f"{run}: no problem has graded answers; comparing strategies needs reference answers.")
    axes = [axis for axis in AXES if axis not in pool.unknown]
    curves = {name: _curve(tally, axes, pool.shares) for name, tally in pool.tallies.items()}
    figures = {name: _figures(curve, curves[MAJORITY.name], axes, seed) for name, curve in curves.items()}
    has_loop = CRITIC_LOOP.name in curves
    harm, helpfulness = pool.flips() if has_loop else (None, None)
    is_known = has_loop and "tokens" in axes
    comparison = Comparison(
        problems=pool.graded,
        unfinished=unfinished,
        ungraded=pool.problems - pool.graded,
        samples=len(first.chains),
        votes=len(first.chains) + len(first.uncritiqued),
        rounds=int(str(pool.first.settings["rounds"])),
        strategies=figures,
        critic=discriminability(pool.verdicts) if has_loop else None,
        harm=harm,
        helpfulness=helpfulness,
        break_even_tokens=_break_even(curves[CRITIC_LOOP_VOTE.name], curves[MAJORITY.name]) if is_known else None,
        majority_tokens_to_match=(
            _tokens_to_match(curves[MAJORITY.name], fmean(curves[CRITIC_LOOP.name].chances[0])) if is_known else None
        ),
        verdict="",
        tokens=pool.tokens,
        state=state,
        reason=reason,
        seconds=round(seconds, 3),
        run=run,
    )
    return comparison.model_copy(update={"verdict": verdict_of(comparison)})


def _curve(tally: Tally, axes: Sequence[Axis], shares: Sequence[float]) -> _Curve:
    total: dict[Axis, float] = {
        "calls": tally.calls,
        "tokens": tally.tokens,
        "seconds": fsum(map(mul, tally.uses, shares)) if "seconds" in axes else 0.0,
    }
    unit = {axis: total[axis] / tally.draws for axis in axes}
    return _Curve(tally.strategy, tally.budgets, tally.chances, unit)


def _figures(curve: _Curve, majority: _Curve, axes: Sequence[Axis], seed: int) -> StrategyFigures:
    matching: Axis = "tokens" if "tokens" in axes else "calls"
    most = majority.budgets[-1] * majority.unit[matching] * (1 + 1e-9)
    index = max((i for i, k in enumerate(curve.budgets) if k * curve.unit[matching] <= most), default=0)
    chosen, point = curve.chances[index], curve.point(index)
    matched: dict[Axis, Matched | None] = dict.fromkeys(AXES)
    for axis in () if curve.strategy in (SAMPLE, MAJORITY) else axes:
        if (same_cost := majority.at(axis, point.chains * curve.unit[axis])) is not None:
            votes, of_majority = same_cost
            gain = paired_bootstrap(of_majority, chosen, seed=seed)
            matched[axis] = Matched(votes=votes, majority=fmean(of_majority), gain=gain)
    return StrategyFigures(
        label=curve.strategy.label,
        is_upper_bound=curve.strategy.is_upper_bound,
        accuracy=wilson(sum(chosen), len(chosen)),
        against_majority=matched,
        curve=tuple(map(curve.point, range(len(curve.budgets)))),
        **point.model_dump(exclude={"accuracy"}),
    )


def _break_even(loop: _Curve, majority: _Curve) -> float | None:
    """Give the tokens at which the loop's curve first reaches the vote's, interpolated linearly between its points."""
    before: tuple[float, float] | None = None
    for index, k in enumerate(loop.budgets):
        tokens = k * loop.unit["tokens"]
        if (same_cost := majority.at("tokens", tokens)) is None:
            return None
        lead = fmean(loop.chances[index]) - fmean(same_cost[1])
        if lead >= 0:
            if before is None:
                return tokens
            earlier, lag = before
            return earlier + (tokens - earlier) * -lag / (lead - lag)
        before = tokens, lead
    return None


def _tokens_to_match(majority: _Curve, accuracy: float) -> float | None:
    """Give the tokens at which the vote's curve first reaches an accuracy, interpolated linearly between its points."""
    points = [(k * majority.unit["tokens"], fmean(c)) for k, c in zip(majority.budgets, majority.chances, strict=True)]
    if points[0][1] >= accuracy:
        return points[0][0]
    for (few, low), (many, high) in pairwise(points):
        if high >= accuracy:
            return few + (many - few) * (accuracy - low) / (high - low)
    return None
