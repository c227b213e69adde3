"""The page of runs: one, or several side by side."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from critique_graph.metrics.intervals import Rate
from critique_graph.output.terminal import escaped
from critique_graph.report.contents import Shown, collect
from critique_graph.report.layout import (
    Card,
    Look,
    Page,
    lined_up,
    points_of,
    rate_of,
    recorded_settings,
    settings_of,
    state_of,
)
from critique_graph.report.plots import draw_plots


def run_page(folders: Sequence[Path]) -> Page:
    """Make the page of runs; raises as `collect` does."""
    contents = collect(folders)
    runs = contents.runs
    return Page(
        verb="run",
        names=[run.name for run in runs],
        cards=[_card(run, runs[0]) for run in runs],
        figures=lined_up([list(_figures(run, runs[0])) for run in runs]),
        plots=draw_plots(runs),
        settings=settings_of([list(recorded_settings(run.manifest, run.models)) for run in runs]),
        data={
            "runs": [
                {
                    "name": escaped(run.name),
                    "summary": run.summary.model_dump(mode="json"),
                    "costs": [cost.model_dump(mode="json") for cost in run.costs],
                    "gaps": run.gaps,
                    "against_first": run.against_first and run.against_first.model_dump(mode="json"),
                }
                for run in runs
            ]
        },
        costs=_costs(runs),
        rows=contents.rows,
        blocks=contents.blocks,
    )


def _card(run: Shown, first: Shown) -> Card:
    summary = run.summary
    judged = f" judged by {run.models['critic']}" if "critic" in run.models else ", no critic"
    lines: list[tuple[str, str]] = []
    chips: list[tuple[str, Look]] = []
    big, note = f"{summary.done}", f"of {summary.problems} problems done"
    if summary.accuracy_final.n:
        big, note = _percent(summary.accuracy_final), "correct in the end"
        alone = f"{_percent(summary.accuracy_first)} by the first response alone. Gain by {run.gains_by}: "
        lines.append((alone, points_of(summary.gain)))
        if run.against_first is not None and run.against_first.n:
            lines.append((f"Against {first.name}, on the same problems: ", points_of(run.against_first)))
        chips = [
            (f"{summary.flips.wrong_to_right} wrong → correct", "good"),
            (f"{summary.flips.right_to_wrong} correct → wrong", "bad"),
        ]
    oracle = run.manifest["configuration"].get("gate") == "oracle"
    bound = ("Oracle gate: the reference chose what was refined. This is an upper bound.",) if oracle else ()
    models = f"{run.models.get('actor', 'no actor')}{judged}"
    return Card(run.name, models, big, note, lines, chips, (*bound, *run.gaps))


def _percent(rate: Rate) -> str:
    return f"{100 * (rate.value or 0):.1f} %"


def _figures(run: Shown, first: Shown) -> Iterator[tuple[str, str]]:
    summary = run.summary
    yield "state", state_of(summary.state)
    yield "problems", summary.outcomes_in_words({"ungraded": summary.ungraded})
    if summary.accuracy_final.n:
        yield "accuracy of first responses", rate_of(summary.accuracy_first)
        yield "accuracy of final answers", rate_of(summary.accuracy_final)
        against = run.against_first
        if against is not None and against.n:
            yield f"final answers against {first.name}, paired", points_of(against)
        yield "gain over first responses, paired", points_of(summary.gain)
        flips = summary.flips
        yield "wrong → correct", f"{flips.wrong_to_right} problems"
        yield "correct → wrong", f"{flips.right_to_wrong} problems"
    critic = summary.critic
    for name, rate in (
        ("verdicts as the reference", critic.discriminability),
        ("verdicts on correct responses", critic.discriminability_on_right),
        ("verdicts on wrong responses", critic.discriminability_on_wrong),
    ):
        if rate.n:
            yield name, rate_of(rate)
    if summary.readable_critiques.n:
        yield "readable critiques", rate_of(summary.readable_critiques)
    for name, rate in (
        ("unanimous verdicts of several critiques", summary.unanimous_critiques),
        ("several critiques that are copies", summary.identical_critiques),
        ("abstained from refining", summary.abstained),
        ("originals kept beside their refinement", summary.kept_original),
    ):
        if rate.value:
            yield name, rate_of(rate)
    if summary.failed_critiques:
        yield "failed calls for one of several critiques", f"{summary.failed_critiques}"
    if summary.bare_refinements.value:
        yield "refinements of an answer alone", rate_of(summary.bare_refinements)
    yield "truncated responses", f"{summary.truncated_responses}"
    tokens = summary.tokens
    yield "tokens", f"{tokens.actor:,} actor + {tokens.critic:,} critic = {tokens.total:,}"
    if tokens.cached:
        yield "prompts from the cache", f"{tokens.cached / tokens.prompts:.0%} of {tokens.prompts:,} tokens"
    for share in summary.servers:
        yield share.server, share.in_words()
    yield "time", f"{summary.seconds:,.1f} s"


def _costs(runs: Sequence[Shown]) -> list[tuple[str, str, list[dict[str, str] | None]]]:
    """Give role, round and the cost of every run, in the order of the loop."""
    found = [{(cost.round, cost.role): cost for cost in run.costs} for run in runs]
    keys = sorted({key for costs in found for key in costs}, key=lambda key: (key[0], key[1] != "critic"))
    return [
        (
            key[1],
            "first responses" if key[0] == 0 else f"round {key[0]}",
            [
                {
                    "calls": f"{cost.usage.calls:,}",
                    "tokens": "unknown"
                    if cost.usage.calls and cost.usage.calls == cost.usage.unknown_calls
                    else f"{cost.usage.total_tokens:,}",
                    "seconds": f"{cost.seconds:,.1f}",
                }
                if cost
                else None
                for cost in (costs.get(key) for costs in found)
            ],
        )
        for key in keys
    ]
