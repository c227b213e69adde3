"""The report of `compare`: its verdict in one sentence, and its tables."""

from rich.console import Group
from rich.table import Table
from rich.text import Text

from critique_graph.compare.comparison import LEADS, Axis, Comparison, Matched, StrategyFigures
from critique_graph.metrics.intervals import Rate


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
    parts.append(f"the loop turns {_share(comparison.harm)} of correct answers wrong and")
    return "; ".join(parts) + f" {_share(comparison.helpfulness)} of wrong answers correct."


def _main_clause(comparison: Comparison, loop: StrategyFigures, axis: Axis) -> str:
    cost = getattr(loop, f"{axis}_per_problem")
    at = f"At {cost:,.0f} tokens" if axis == "tokens" else f"At {cost:.1f} calls"
    matched = loop.against_majority[axis]
    if matched is None:
        return (
            f"{at} per problem the critic loop reaches {loop.accuracy.percent()}; majority vote of all "
            f"{comparison.votes} samples does not cost that much (draw more samples with --votes)"
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
        f", at equal {other} {its.gain.percent(sign='+', unit='')}"
        for other in LEADS
        if other != axis and (its := loop.against_majority[other]) is not None
    )
    points = gain.percent(sign="+", unit="points")
    return f"{at} per problem the critic loop {lead} {points} (paired, n = {gain.n}{others})"


def _break_even_clause(comparison: Comparison, loop: StrategyFigures) -> str:
    tokens = comparison.break_even_tokens
    if tokens is None:
        return "it does not break even within the pool"
    cheapest = ", its cheapest" if tokens == loop.tokens_per_problem else ""
    return f"it breaks even at {tokens:,.0f} tokens{cheapest}"


def _share(rate: Rate | None) -> str:
    return "-" if rate is None else rate.percent()


def comparison_tables(comparison: Comparison) -> Group:
    """Lay out the accuracy and cost of every strategy, then its gain over majority vote at equal cost."""
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
            figures.accuracy.percent(),
            f"{figures.calls_per_problem:.1f}",
            "?" if tokens is None else f"{tokens:,.0f}",
            "?" if seconds is None else f"{seconds:.3g}",
        )
        if any(figures.against_majority.values()):
            leads.add_row(label, *(_lead(figures.against_majority[axis]) for axis in LEADS))
    return Group(reached, "", leads, "* upper bound: chosen by the reference answer")


def _lead(matched: Matched | None) -> str:
    return "-" if matched is None else matched.gain.percent(sign="+", unit="")
