"""What `critique-graph compare` found: the record, the verdict in a sentence, the table."""

from typing import Literal, get_args

from rich.console import Group
from rich.table import Table
from rich.text import Text

from critique_graph.core.schema import Record
from critique_graph.metrics.at_k import Judgement
from critique_graph.metrics.intervals import Rate
from critique_graph.solve.table import percent

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
    """The calls' share of the run's time, each moment of which is divided equally among the calls in flight then. None
    for runs of versions that did not record when a call began."""


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


class Comparison(Record):
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
    critic: Judgement | None
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
    seconds: float
    """The whole run took, on the clock."""
    run: str

    @property
    def size(self) -> str:
        """Say how much was compared."""
        left_out = "".join(f", {n} {name}" for name in ("unfinished", "ungraded") if (n := getattr(self, name)))
        rounds = "1 round" if self.rounds == 1 else f"{self.rounds} rounds"
        return f"{self.problems} problems{left_out}, {self.samples} chains, {self.votes} samples, {rounds}"


def verdict_of(comparison: Comparison) -> str:
    """Say in a sentence whether the critic is worth its compute."""
    loop, votes = comparison.strategies.get("critic_loop"), comparison.votes
    if loop is None:
        return "no verdict: the run has no critiques of every response."
    axis: Axis = "calls" if loop.tokens_per_problem is None else "tokens"
    parts = [_main_clause(comparison, loop, axis)]
    if loop.tokens_per_problem is not None:
        parts.append(_break_even_clause(comparison, loop))
    if (to_match := comparison.majority_tokens_to_match) is not None:
        parts.append(f"majority vote is as accurate as one loop at {to_match:,.0f} tokens")
    elif loop.tokens_per_problem is not None:
        parts.append(f"majority vote of all {votes} samples is less accurate than one loop")
    parts.append(f"the loop turns {_share(comparison.harm)} of right answers wrong and")
    return "; ".join(parts) + f" {_share(comparison.helpfulness)} of wrong ones right."


def _main_clause(comparison: Comparison, loop: StrategyFigures, axis: Axis) -> str:
    cost = getattr(loop, f"{axis}_per_problem")
    at = f"At {cost:,.0f} tokens" if axis == "tokens" else f"At {cost:.1f} calls"
    matched = loop.against_majority[axis]
    if matched is None:
        return (
            f"{at} per problem the critic loop reaches {percent(loop.accuracy)}, which majority vote of all "
            f"{comparison.votes} samples cannot spend (take more with --votes)"
        )
    gain = matched.gain
    assert gain.low is not None
    assert gain.high is not None
    majority = f"majority vote of {matched.votes:.1f} samples"
    if gain.low > 0:
        lead = f"beats {majority} by"
    elif gain.high < 0:
        lead = f"loses to {majority} by"
    else:
        lead = f"cannot be told from {majority}:"
    others = "".join(
        f", at equal {other} {percent(its.gain, sign='+', unit='')}"
        for other in LEADS
        if other != axis and (its := loop.against_majority[other]) is not None
    )
    points = percent(gain, sign="+", unit="points")
    return f"{at} per problem the critic loop {lead} {points} (paired, n = {gain.n}{others})"


def _break_even_clause(comparison: Comparison, loop: StrategyFigures) -> str:
    tokens = comparison.break_even_tokens
    if tokens is None:
        return "it does not break even within the pool"
    cheapest = ", its cheapest" if tokens == loop.tokens_per_problem else ""
    return f"it breaks even at {tokens:,.0f} tokens{cheapest}"


def _share(rate: Rate | None) -> str:
    return "-" if rate is None else percent(rate)


def comparison_tables(comparison: Comparison) -> Group:
    """Lay out what every strategy reaches, at what cost; then its lead over majority vote at equal cost."""
    reached, leads = (Table(box=None, pad_edge=False, padding=(0, 1, 0, 0)) for _ in range(2))
    reached.add_column("strategy", style="bold", no_wrap=True)
    for name in ("chains", "accuracy", "calls", "tokens", "seconds"):
        reached.add_column(name, justify="right", no_wrap=True)
    leads.add_column("over majority vote", style="bold", no_wrap=True)
    for axis in LEADS:
        leads.add_column(f"equal {axis}", justify="right", no_wrap=True)
    for figures in comparison.strategies.values():
        tokens, seconds = figures.tokens_per_problem, figures.seconds_per_problem
        label = Text(figures.label + " *" * figures.is_upper_bound)
        reached.add_row(
            label,
            str(figures.chains),
            percent(figures.accuracy),
            f"{figures.calls_per_problem:.1f}",
            "?" if tokens is None else f"{tokens:,.0f}",
            "?" if seconds is None else f"{seconds:.3g}",
        )
        if any(figures.against_majority.values()):
            leads.add_row(label, *(_lead(figures.against_majority[axis]) for axis in LEADS))
    return Group(reached, "", leads, "* upper bound: chosen by the reference answer")


def _lead(matched: Matched | None) -> str:
    return "-" if matched is None else percent(matched.gain, sign="+", unit="")
