"""What `self-talk` prints: what was kept, what was dropped, and the cost."""

from rich.table import Table

from critique_graph.output.terminal import figures_table
from critique_graph.self_talk.summary import TalkSummary


def talk_table(summary: TalkSummary) -> Table:
    """Lay out the summary of a run."""
    by_repairs = ", ".join(f"{count} with {number}" for number, count in summary.kept_by_repairs.items())
    rows = [
        ("problems", summary.outcomes_in_words()),
        *(("left out", f"{count} problems, {reason}") for reason, count in summary.left_out.items()),
        (
            "kept",
            f"{summary.kept} of {summary.talks} talks: {summary.right} correct at first, {summary.repaired} repaired",
        ),
        (
            "wrong paths",
            f"{summary.repaired_share.percent()} repaired, copies included, n = {summary.repaired_share.n}",
        ),
        ("correct paths", f"{summary.right_share.percent()} kept, copies included, n = {summary.right_share.n}"),
        ("mistakes", by_repairs or "-"),
        ("dropped", ", ".join(f"{count} {reason}" for reason, count in summary.dropped.items()) or "-"),
        ("tokens", " + ".join(f"{n:,} {role}" for role, n in summary.tokens.items() if n and role != "total") or "-"),
        ("time", f"{summary.seconds:.1f} s"),
        ("data set", summary.dataset),
    ]
    return figures_table(rows)
