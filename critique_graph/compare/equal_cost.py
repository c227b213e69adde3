"""Compares every strategy on one pool with majority vote at equal calls, tokens and seconds.

Majority vote of k responses gives a curve of accuracy over mean cost; for a cost between k and k + 1 votes, we
interpolate between the two accuracies. A strategy is compared with that curve at its own mean cost, problem by problem
(paired bootstrap, with fixed interpolation weights). The paper compares k chains with a critic to 3k votes: if every
response is refined, that is the comparison at equal calls.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

from critique_graph.compare.comparison import AXES, Axis, Comparison, Matched, Point, StrategyFigures
from critique_graph.compare.cost import SharedTime
from critique_graph.compare.report import verdict_of
from critique_graph.compare.strategies import (
    CRITIC_LOOP,
    CRITIC_LOOP_VOTE,
    MAJORITY,
    SAMPLE,
    PooledProblem,
    Strategy,
    available,
    budgets,
    calls_of,
    chances,
    loop_end,
    pooled_problem,
)
from critique_graph.core.errors import InputError
from critique_graph.core.schema import Trace, Verdict
from critique_graph.grading.grader import Grader
from critique_graph.metrics.intervals import Rate, paired_bootstrap, wilson
from critique_graph.metrics.judgement import CriticScore, discriminability
from critique_graph.runs.folder import RunState


@dataclass(frozen=True)
class _Curve:
    """Accuracy and cost of a strategy as functions of its number of chains."""

    strategy: Strategy
    budgets: list[int]
    chances: list[list[float]]
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
    every = list(traces)
    _check(every, run)
    calls = [call for trace in every for call in calls_of(trace)]
    time = SharedTime(calls)
    found = [await pooled_problem(trace, grader, time) for trace in every]
    problems = [problem for problem in found if problem is not None]
    if not problems:
        raise InputError(f"{run}: no problem has graded answers; comparing strategies needs reference answers.")
    unknown = {
        "tokens": any(call.usage.unknown_calls for call in calls),
        "seconds": any(call.started is None for call in calls),
    }
    axes = [axis for axis in AXES if not unknown.get(axis)]
    settings, first = every[0].settings, problems[0].trace
    curves = {strategy.name: _curve(strategy, problems, axes) for strategy in available(settings, first)}
    figures = {name: _figures(curve, curves[MAJORITY.name], axes, seed) for name, curve in curves.items()}
    has_loop = CRITIC_LOOP.name in curves
    harm, helpfulness = _flips(problems) if has_loop else (None, None)
    is_known = has_loop and "tokens" in axes
    comparison = Comparison(
        problems=len(problems),
        unfinished=unfinished,
        ungraded=len(every) - len(problems),
        samples=len(first.chains),
        votes=len(first.chains) + len(first.uncritiqued),
        rounds=int(str(settings["rounds"])),
        strategies=figures,
        critic=_critic_score(problems) if has_loop else None,
        harm=harm,
        helpfulness=helpfulness,
        break_even_tokens=_break_even(curves[CRITIC_LOOP_VOTE.name], curves[MAJORITY.name]) if is_known else None,
        majority_tokens_to_match=(
            _tokens_to_match(curves[MAJORITY.name], fmean(curves[CRITIC_LOOP.name].chances[0])) if is_known else None
        ),
        verdict="",
        tokens=sum(call.usage.total_tokens for call in calls),
        state=state,
        reason=reason,
        seconds=round(seconds, 3),
        run=run,
    )
    return comparison.model_copy(update={"verdict": verdict_of(comparison)})


def _check(traces: Sequence[Trace], run: str) -> None:
    if not traces:
        raise InputError(f"{run}: there are no finished problems to compare.")
    if len({len(trace.chains) for trace in traces}) > 1 or len(traces[0].chains) < 2:
        raise InputError(f"{run}: its problems have too few chains to vote; run it with more, e.g. --samples 8.")
    if "rounds" not in traces[0].settings:
        raise InputError(f"{run}: its traces do not hold the settings of the run.")


def _curve(strategy: Strategy, problems: Sequence[PooledProblem], axes: Sequence[Axis]) -> _Curve:
    drawn = [strategy.draws(problem) for problem in problems]
    allowed = budgets(len(drawn[0])) if strategy.is_vote else [1]
    found = [chances(strategy, problem, draws, allowed) for problem, draws in zip(problems, drawn, strict=True)]
    unit = {axis: fmean(getattr(draw.cost, axis) for draws in drawn for draw in draws) for axis in axes}
    return _Curve(strategy, allowed, [list(column) for column in zip(*found, strict=True)], unit)


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


def _flips(problems: Sequence[PooledProblem]) -> tuple[Rate, Rate]:
    """Give harm and helpfulness of the loop, over all chains."""
    flips: Counter[tuple[bool, bool]] = Counter()
    having: Counter[bool] = Counter()
    for problem in problems:
        chains = problem.trace.chains
        before = [problem.is_correct(chain.response) for chain in chains]
        flips.update(zip(before, (problem.is_correct(loop_end(chain).response) for chain in chains), strict=True))
        having.update(set(before))

    def changed(was: bool) -> Rate:
        chains = flips[was, True] + flips[was, False]
        return wilson(flips[was, not was] / chains * having[was] if chains else 0, having[was])

    return changed(True), changed(False)


def _critic_score(problems: Sequence[PooledProblem]) -> CriticScore:
    verdicts: Counter[tuple[bool, Verdict | None]] = Counter(
        (problem.is_correct(chain.response), chain.rounds[0].critique.final)
        for problem in problems
        for chain in problem.trace.chains
        if chain.rounds
    )
    return discriminability(verdicts)
