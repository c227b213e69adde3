"""A run's summary as a table for people."""

from rich.table import Table
from rich.text import Text

from critique_graph.solve.summary import Summary


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
    add("accuracy", f"{summary.accuracy_first.percent()} first → {summary.accuracy_final.percent()} final")
    add("gain", f"{summary.gain.percent(sign='+', unit='points')}, paired, n = {summary.gain.n}")
    flips = summary.flips
    add("flips", f"{flips.wrong_to_right} wrong → correct, {flips.right_to_wrong} correct → wrong")
    for level, accuracy in summary.by_level.items():
        first, final = accuracy.first.percent(), accuracy.final.percent()
        add(f"  level {level}", f"{first} → {final}, n = {accuracy.first.n}")
    critic = summary.critic
    for name, share in (
        ("verdicts", critic.discriminability),
        ("  on correct", critic.discriminability_on_right),
        ("  on wrong", critic.discriminability_on_wrong),
    ):
        if share.n:
            add(name, f"{share.percent()} correct, n = {share.n} first responses")
    add("unparsed", f"{summary.unparsed_critiques} critiques")
    add("truncated", f"{summary.truncated_responses} responses")
    tokens = summary.tokens
    unknown = f", {tokens.unknown_calls} calls of unknown usage" if tokens.unknown_calls else ""
    cached = f", {tokens.cached / tokens.prompts:.0%} of prompts cached" if tokens.cached else ""
    add("tokens", f"{tokens.actor:,} actor + {tokens.critic:,} critic = {tokens.total:,}{cached}{unknown}")
    add("time", f"{summary.seconds:.1f} s")
    add("run", summary.run)
    return table
