"""A run's summary as a table for people."""

from rich.table import Table
from rich.text import Text

from critique_graph.funnel import GenerationSummary
from critique_graph.intervals import Rate
from critique_graph.summary import Summary


def summary_table(summary: Summary) -> Table:
    """Lay out a summary; texts that come from outside are shown as they are, never read as markup."""
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")

    def add(name: str, value: str) -> None:
        table.add_row(name, Text(value))

    shown = {status: getattr(summary, status) for status in ("failed", "quarantined", "pending", "ungraded")}
    faults = "".join(f", {count} {name}" for name, count in shown.items() if count)
    add("problems", f"{summary.done} of {summary.problems} done{faults}")
    add("accuracy", f"{percent(summary.accuracy_first)} first → {percent(summary.accuracy_final)} final")
    add("gain", f"{percent(summary.gain, sign='+', unit='points')}, paired, n = {summary.gain.n}")
    flips = summary.flips
    add("flips", f"{flips.wrong_to_right} wrong → right, {flips.right_to_wrong} right → wrong")
    for level, accuracy in summary.by_level.items():
        first, final = percent(accuracy.first), percent(accuracy.final)
        add(f"  level {level}", f"{first} → {final}, n = {accuracy.first.n}")
    critic = summary.critic
    for name, share in (
        ("critic right", critic.discriminability),
        ("  on right", critic.discriminability_on_right),
        ("  on wrong", critic.discriminability_on_wrong),
    ):
        if share.n:
            add(name, f"{percent(share)} of first responses, n = {share.n}")
    add("unparsed", f"{summary.unparsed_critiques} critiques")
    add("truncated", f"{summary.truncated_responses} responses")
    tokens = summary.tokens
    unknown = f", {tokens.unknown_calls} calls of unknown usage" if tokens.unknown_calls else ""
    cached = f", {tokens.cached / tokens.prompts:.0%} of prompts cached" if tokens.cached else ""
    add("tokens", f"{tokens.actor:,} actor + {tokens.critic:,} critic = {tokens.total:,}{cached}{unknown}")
    add("time", f"{summary.seconds:.1f} s")
    add("run", summary.run)
    return table


def generation_table(summary: GenerationSummary) -> Table:
    """Lay out the funnel of a run that makes data, a line for every stage and strategy."""
    table = Table(box=None, pad_edge=False)
    for name in ("stage", "strategy"):
        table.add_column(name, style="bold")
    for name in ("in", "out"):
        table.add_column(name, justify="right")
    table.add_column("dropped", overflow="fold")
    for stage, passages in summary.funnel.items():
        for strategy, passage in passages.items():
            dropped = ", ".join(f"{count} {reason}" for reason, count in passage.dropped.items())
            table.add_row(stage, strategy, str(passage.in_), str(passage.out), dropped)
    return table


def generation_line(summary: GenerationSummary) -> str:
    """Say in a few lines what was made and what it is worth."""
    shown = {status: getattr(summary, status) for status in ("failed", "quarantined", "pending")}
    faults = "".join(f", {count} {name}" for name, count in shown.items() if count)
    near_copies = ", ".join(f"{count} {reason}" for reason, count in summary.left_out.items())
    return (
        (f"left out as near copies: {near_copies}\n" if near_copies else "")
        + f"{summary.kept} critiques kept of {summary.done} of {summary.problems} problems{faults}\n"
        f"refinements right with the critique: {percent(summary.right_with)}, without: "
        f"{percent(summary.right_without)}, n = {summary.right_with.n}\n"
        f"error found where it is known to be: {percent(summary.located)}, n = {summary.located.n}\n"
        f"{summary.tokens['total']:,} tokens, {summary.seconds:.1f} s · {summary.rows} rows in {summary.dataset}"
    )


def percent(rate: Rate, *, sign: str = "", unit: str = "%") -> str:
    """Write a rate in percent with its interval: `52.0 % [45.1, 58.8]`; a dash without data."""
    if rate.value is None or rate.low is None or rate.high is None:
        return "-"
    value, low, high = (f"{100 * x:{sign}.1f}" for x in (rate.value, rate.low, rate.high))
    return f"{value} {unit} [{low}, {high}]"
