"""What `critique-graph compare` found: the record, the verdict in a sentence, the table."""

from typing import Literal, get_args

from critique_graph.core.schema import Record
from critique_graph.metrics.intervals import Rate
from critique_graph.metrics.judgement import CriticScore
from critique_graph.runs.record import Ended

Axis = Literal["calls", "tokens", "seconds"]
AXES: tuple[Axis, ...] = get_args(Axis)
LEADS: tuple[Axis, ...] = ("tokens", "seconds", "calls")
"""In the order in which they say most."""


class Point(Record):
    """A strategy with so many chains."""

    chains: int
    accuracy: float
    calls_per_problem: float
    tokens_per_problem: float | None
    """Read and written; cached ones count in full. None where a model does not report its usage."""
    seconds_per_problem: float | None
    """Share of the run's time: each second of the run is split evenly between the calls running in it. None for runs
    of versions that did not record when a call began."""


class Matched(Record):
    """A strategy against majority vote at equal cost."""

    votes: float
    """Of the majority vote; a fraction is a mix of two whole numbers."""
    majority: float
    """Its accuracy."""
    gain: Rate
    """The strategy's accuracy less that: paired bootstrap over problems."""


class StrategyFigures(Record):
    """What a strategy reaches, at what cost."""

    label: str
    is_upper_bound: bool
    """True: it looks at the reference answer, so it is no method."""
    chains: int
    """Chains of the figures here: of a vote, as many as cost no more than majority vote of the whole pool."""
    accuracy: Rate
    """Mean chance of a right answer; the interval (Wilson) is that of one draw a problem, wide if anything."""
    calls_per_problem: float
    tokens_per_problem: float | None
    seconds_per_problem: float | None
    against_majority: dict[Axis, Matched | None]
    """At equal cost; None where majority vote of one response costs more, or that of the whole pool less, and for
    majority vote itself."""
    curve: tuple[Point, ...]


class Comparison(Ended):
    """What `critique-graph compare --json` prints."""

    problems: int
    """Compared ones."""
    unfinished: int
    """Problems of the run that are not done: left out."""
    ungraded: int
    """Problems with an answer that could not be graded: left out."""
    samples: int
    """Chains of a problem: critiqued and refined."""
    votes: int
    """Its samples for votes without a critic, those of the chains included."""
    rounds: int
    strategies: dict[str, StrategyFigures]
    critic: CriticScore | None
    """Its first verdict on every chain."""
    harm: Rate | None
    """Right first responses that the critic loop makes wrong. Chains of a problem are alike, so n and the interval are
    those of problems, which is wide if anything."""
    helpfulness: Rate | None
    """Wrong ones that it makes right."""
    break_even_tokens: float | None
    """Fewest tokens per problem at which the vote of as many critic loops as these buy is at least as accurate as
    majority vote; None where it never is within the pool, or tokens are not known."""
    majority_tokens_to_match: float | None
    """Tokens at which majority vote is as accurate as the critic loop with one chain; None where it never is."""
    verdict: str
    tokens: int
    """Of the whole pool."""

    @property
    def size(self) -> str:
        """Say how much was compared."""
        left_out = "".join(f", {n} {name}" for name in ("unfinished", "ungraded") if (n := getattr(self, name)))
        rounds = "1 round" if self.rounds == 1 else f"{self.rounds} rounds"
        return f"{self.problems} problems{left_out}, {self.samples} chains, {self.votes} samples, {rounds}"
