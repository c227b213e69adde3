"""Adds up what a comparison needs of a pool, one problem at a time: no trace is kept, so that memory does not grow.

The seconds of a call are known once all calls of the run are: until then, a strategy counts how often it uses each.
"""

from array import array
from collections import Counter
from itertools import repeat

from critique_graph.compare.strategies import (
    CRITIC_LOOP,
    PooledProblem,
    Strategy,
    available,
    budgets,
    chances,
    loop_end,
    pooled_problem,
)
from critique_graph.core.errors import InputError
from critique_graph.core.schema import Call, Trace, Verdict
from critique_graph.grading.grader import Grader
from critique_graph.metrics.cost import SharedTime, calls_of, span_of
from critique_graph.metrics.intervals import Rate, wilson


class Tally:
    """The chances of one strategy, and what its draws cost, over the problems so far."""

    def __init__(self, strategy: Strategy, chains: int) -> None:
        self.strategy = strategy
        self.budgets = budgets(chains) if strategy.is_vote else [1]
        self.chances = [array("d") for _ in self.budgets]
        """Probability of a correct answer, for every budget and every problem."""
        self.draws = self.calls = self.tokens = 0
        self.uses = array("H")
        """How often the draws have used each call of the run, in the order of `Pool.shares`."""

    def add(self, problem: PooledProblem, places: dict[int, int], calls_so_far: int) -> None:
        """Add a problem; `places` has the place of its calls by their identity."""
        drawn = self.strategy.draws(problem)
        for found, chance in zip(self.chances, chances(self.strategy, problem, drawn, self.budgets), strict=True):
            found.append(chance)
        self.uses.extend(repeat(0, calls_so_far - len(self.uses)))
        self.draws += len(drawn)
        for draw in drawn:
            self.calls += len(draw.calls)
            for call in draw.calls:
                self.tokens += call.usage.total_tokens
                self.uses[places[id(call)]] += 1


class Pool:
    """Everything that is compared of one run."""

    def __init__(self, run: str) -> None:
        self.first: Trace | None = None
        self.first_graded: Trace | None = None
        self.problems = self.graded = self.tokens = 0
        self.tallies: dict[str, Tally] = {}
        self.verdicts: Counter[tuple[bool, Verdict | None]] = Counter()
        """The critic's first verdicts, by whether the response is correct."""
        self.unknown: set[str] = set()
        """Axes on which the cost of some call is not known."""
        self._run = run
        self._begun, self._ended = array("d"), array("d")
        self._flips: Counter[tuple[bool, bool]] = Counter()
        self._having: Counter[bool] = Counter()

    async def add(self, trace: Trace, grader: Grader) -> None:
        """Add the trace of a problem.

        Raises:
            InputError: It cannot be compared with those before it.
        """
        self._check(trace)
        self.problems += 1
        calls = calls_of(trace)
        places = {id(call): self._add_call(call) for call in calls}
        problem = await pooled_problem(trace, grader)
        if problem is None:
            return
        self.graded += 1
        if self.first_graded is None:
            self.first_graded = trace
            assert self.first is not None
            for strategy in available(self.first.settings, trace):
                self.tallies[strategy.name] = Tally(strategy, len(strategy.draws(problem)))
        for tally in self.tallies.values():
            tally.add(problem, places, len(self._begun))
        if CRITIC_LOOP.name in self.tallies:
            self._judge(problem)

    @property
    def shares(self) -> "array[float]":
        """Shares of all calls of the time of the run, in seconds; once all problems are there."""
        spans = list(zip(self._begun, self._ended, strict=True))
        time = SharedTime(spans)
        return array("d", map(time.within, spans))

    def flips(self) -> tuple[Rate, Rate]:
        """Give harm and helpfulness of the loop, over all chains."""

        def changed(was: bool) -> Rate:
            chains = self._flips[was, True] + self._flips[was, False]
            having = self._having[was]
            return wilson(self._flips[was, not was] / chains * having if chains else 0, having)

        return changed(True), changed(False)

    def _check(self, trace: Trace) -> None:
        if self.first is None:
            self.first = trace
        if len(trace.chains) != len(self.first.chains) or len(trace.chains) < 2:
            raise InputError(
                f"{self._run}: its problems have too few chains to vote; run it with more, e.g. --samples 8."
            )
        if "rounds" not in self.first.settings:
            raise InputError(f"{self._run}: its traces do not hold the settings of the run.")

    def _add_call(self, call: Call) -> int:
        """Add a call, and give its place."""
        span = span_of(call)
        self.tokens += call.usage.total_tokens
        if call.usage.unknown_calls:
            self.unknown.add("tokens")
        if span is None:
            self.unknown.add("seconds")
        begun, ended = span or (0.0, 0.0)
        self._begun.append(begun)
        self._ended.append(ended)
        return len(self._begun) - 1

    def _judge(self, problem: PooledProblem) -> None:
        """Count what the critic said of the first responses, and what the loop made of them."""
        chains = problem.trace.chains
        before = [problem.is_correct(chain.response) for chain in chains]
        self._flips.update(zip(before, (problem.is_correct(loop_end(chain).response) for chain in chains), strict=True))
        self._having.update(set(before))
        self.verdicts.update(
            (was, chain.rounds[0].critique.final) for was, chain in zip(before, chains, strict=True) if chain.rounds
        )
