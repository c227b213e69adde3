"""What `generate` prints: the funnel, the quality of what was kept, and the cost."""

from rich.table import Table

from critique_graph.generate.funnel import GenerationSummary
from critique_graph.metrics.intervals import Rate
from critique_graph.output.terminal import figures_table


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


def quality_table(summary: GenerationSummary) -> Table:
    """Lay out the quality figures of the data."""
    return figures_table(quality_rows(summary))


def quality_rows(summary: GenerationSummary) -> list[tuple[str, str]]:
    """Give the quality figures of the data, each with its name."""

    def share(rate: Rate) -> str:
        return f"{rate.percent()}, n = {rate.n}"

    verdicts = ", ".join(f"{count} {verdict}" for verdict, count in summary.kept_by_verdict.items())
    steps = ", ".join(f"{count} of {number}" for number, count in summary.kept_by_steps.items())
    rows = [("verdicts", verdicts), ("steps of the responses", steps or "-")]
    rows += [(f"kept of annotated, {name}", share(rate)) for name, rate in summary.kept_share.items()]
    rows += [(f"kept of annotated, level {level}", share(rate)) for level, rate in summary.kept_share_by_level.items()]
    rows += [
        ("first error where it is known to be", share(summary.located)),
        ("leaks of the hints, all dropped", share(summary.leaked)),
        ("correct with critique, tried both ways", share(summary.right_with)),
        ("correct without, tried both ways", share(summary.right_without)),
    ]
    if summary.tokens_per_kept is not None and summary.actor_calls_per_kept is not None:
        seconds = f"{summary.seconds / summary.kept:.2f} s"
        rows.append(
            ("cost of a kept critique", f"{_cost(summary.actor_calls_per_kept, summary.tokens_per_kept)}, {seconds}")
        )
    for strategy, cost in (summary.cost_by_strategy or {}).items():
        if cost.actor_calls_per_kept is not None and cost.tokens_per_kept is not None:
            each = _cost(cost.actor_calls_per_kept, cost.tokens_per_kept)
            rows.append((f"cost of a kept critique, {strategy}", each))
        elif cost.tokens:
            rows.append((f"cost of {strategy}, of which none was kept", _cost(cost.actor_calls, cost.tokens)))
    return rows


def _cost(actor_calls: float, tokens: float) -> str:
    return f"{actor_calls:,.1f} calls of the actor, {tokens:,.0f} tokens"


def generation_line(summary: GenerationSummary) -> str:
    """Say in a few lines what was made, at what cost, and where it is."""
    shown = {status: getattr(summary, status) for status in ("failed", "quarantined", "pending")}
    faults = "".join(f", {count} {name}" for name, count in shown.items() if count)
    left_out = ", ".join(f"{count} {reason}" for reason, count in summary.left_out.items())
    return (
        (f"problems left out: {left_out}\n" if left_out else "")
        + f"{summary.kept} critiques kept of {summary.done} of {summary.problems} problems{faults}\n"
        f"{sum(summary.calls.values()):,} calls, {summary.tokens['total']:,} tokens, {summary.seconds:.1f} s · "
        f"{summary.rows} rows in {summary.dataset}"
    )
