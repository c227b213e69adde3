"""The records of what `critique-graph compare` found."""

from typing import Literal, get_args

from critique_graph.core.schema import Record
from critique_graph.metrics.intervals import Rate
from critique_graph.metrics.judgement import CriticScore
from critique_graph.runs.record import Ended

Axis = Literal["calls", "tokens", "seconds"]
AXES: tuple[Axis, ...] = get_args(Axis)
LEADS: tuple[Axis, ...] = ("tokens", "seconds", "calls")
"""Axes of cost, the most informative first."""


class Point(Record):
    """A strategy with a given number of chains: its accuracy and its cost."""

    chains: int
    accuracy: float
    calls_per_problem: float
    tokens_per_problem: float | None
    """Tokens read and written; cached tokens count in full. None if a model does not report its usage."""
    seconds_per_problem: float | None
    """Share of the run's time: each second of the run is split evenly between the calls running in it. None for runs
    of versions that did not record when a call began."""


class Matched(Record):
    """A strategy compared with majority vote at equal cost."""

    votes: float
    """Number of samples of the majority vote; a fraction interpolates between two whole numbers."""
    majority: float
    """Accuracy of the majority vote."""
    gain: Rate
    """Accuracy of the strategy minus that of the majority vote: paired bootstrap over problems."""


class StrategyFigures(Record):
    """Accuracy and cost of a strategy."""

    label: str
    is_upper_bound: bool
    """Whether the strategy looks at the reference answer, so that it bounds methods but is not one."""
    chains: int
    """Number of chains of these figures; a vote has as many as cost no more than majority vote of the whole pool."""
    accuracy: Rate
    """Mean probability of a correct answer; the interval (Wilson) is that of one draw per problem, rather too wide."""
    calls_per_problem: float
    tokens_per_problem: float | None
    seconds_per_problem: float | None
    against_majority: dict[Axis, Matched | None]
    """The strategy against majority vote at equal cost; None if majority vote of one response costs more or that of the
    whole pool costs less, and for majority vote itself."""
    curve: tuple[Point, ...]
    """Accuracy and cost for each number of chains."""


class Comparison(Ended):
    """The result of a comparison, as `critique-graph compare --json` prints it."""

    problems: int
    """Number of problems that were compared."""
    unfinished: int
    """Number of problems of the run that are not done; they are left out."""
    ungraded: int
    """Number of problems with an answer that could not be graded; they are left out."""
    samples: int
    """Number of chains of a problem, which are critiqued and refined."""
    votes: int
    """Number of samples of a problem for votes without a critic, those of the chains included."""
    rounds: int
    strategies: dict[str, StrategyFigures]
    critic: CriticScore | None
    """Score of the critic's first verdict on every chain."""
    harm: Rate | None
    """Share of correct first responses that the critic loop makes wrong. Chains of one problem resemble each other, so
    n and the interval count problems, which makes the interval rather too wide."""
    helpfulness: Rate | None
    """Share of wrong first responses that the critic loop makes correct."""
    break_even_tokens: float | None
    """Smallest number of tokens per problem at which a vote of critic loops is at least as accurate as majority vote of
    the same tokens; None if that never happens within the pool, or tokens are unknown."""
    majority_tokens_to_match: float | None
    """Tokens per problem at which majority vote is as accurate as one chain of the critic loop; None if it never is."""
    verdict: str
    tokens: int
    """Tokens of the whole pool."""

    @property
    def size(self) -> str:
        """Say how much was compared."""
        left_out = "".join(f", {n} {name}" for name in ("unfinished", "ungraded") if (n := getattr(self, name)))
        rounds = "1 round" if self.rounds == 1 else f"{self.rounds} rounds"
        return f"{self.problems} problems{left_out}, {self.samples} chains, {self.votes} samples, {rounds}"
