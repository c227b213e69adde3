"""A run's summary as a table for people."""

from collections.abc import Iterator

from rich.table import Table

from critique_graph.output.terminal import figures_table
from critique_graph.solve.summary import Summary


def summary_table(summary: Summary) -> Table:
    """Lay out a summary."""
    return figures_table(_figures(summary))


def _figures(summary: Summary) -> Iterator[tuple[str, str]]:
    yield "problems", summary.outcomes_in_words({"ungraded": summary.ungraded})
    if summary.accuracy_final.n or not summary.done:
        yield "accuracy", f"{summary.accuracy_first.percent()} first → {summary.accuracy_final.percent()} final"
        yield "gain", f"{summary.gain.percent(sign='+', unit='points')}, paired, n = {summary.gain.n}"
        flips = summary.flips
        yield "flips", f"{flips.wrong_to_right} wrong → correct, {flips.right_to_wrong} correct → wrong"
    else:
        yield from _without_references(summary)
    for level, accuracy in summary.by_level.items():
        first, final = accuracy.first.percent(), accuracy.final.percent()
        yield f"  level {level}", f"{first} → {final}, n = {accuracy.first.n}"
    critic = summary.critic
    for name, share in (
        ("verdicts", critic.discriminability),
        ("  on correct", critic.discriminability_on_right),
        ("  on wrong", critic.discriminability_on_wrong),
    ):
        if share.n:
            yield name, f"{share.percent()} correct, n = {share.n} first responses"
    yield "unparsed", f"{summary.unparsed_critiques} critiques"
    yield from _of_several(summary)
    readable, bare = summary.readable_critiques, summary.bare_refinements
    if readable.value is not None and readable.value < 1:
        yield "readable", f"{readable.percent()} of {readable.n} critiques, with a verdict on every step"
    if bare.value:
        yield "bare", f"{bare.percent()} of {bare.n} refinements give an answer alone"
    yield "truncated", f"{summary.truncated_responses} responses"
    tokens = summary.tokens
    unknown = f", {tokens.unknown_calls} calls of unknown usage" if tokens.unknown_calls else ""
    cached = f", {tokens.cached / tokens.prompts:.0%} of prompts cached" if tokens.cached else ""
    yield "tokens", f"{tokens.actor:,} actor + {tokens.critic:,} critic = {tokens.total:,}{cached}{unknown}"
    for place, server in enumerate(summary.servers):
        yield "" if place else "servers", f"{server.server}: {server.in_words()}"
    yield "time", f"{summary.seconds:.1f} s"
    yield "run", summary.run


def _of_several(summary: Summary) -> Iterator[tuple[str, str]]:
    """Say what several critiques of a response found, where there are any, and what was not refined or kept."""
    for name, share, words in (
        ("unanimous", summary.unanimous_critiques, "several critiques agree on {} of {} responses"),
        ("identical", summary.identical_critiques, "several critiques are copies on {} of {} responses"),
        ("abstained", summary.abstained, "{} of {} responses that would have been refined"),
        ("kept", summary.kept_original, "the original beside {} of {} refinements"),
    ):
        if share.value:
            yield name, words.format(share.percent(), share.n)
    if summary.failed_critiques:
        yield "failed", f"{summary.failed_critiques} of several critiques"


def _without_references(summary: Summary) -> Iterator[tuple[str, str]]:
    """Say what can be said of a run in which nothing was graded."""
    yield "accuracy", "unknown: no answer could be graded"
    yield "changed", f"{summary.answer_changed.percent()} of answers, n = {summary.answer_changed.n}"
    for changes in summary.by_round:
        for name, share, words in (
            (f"  round {changes.round}", changes.critic_said_wrong, "critic: {} of critiques say wrong"),
            ("", changes.actor_changed_answer, "actor: {} of refinements change the answer"),
            ("", changes.vote_moved, "vote: moved in {} of problems"),
        ):
            if share.n:
                yield name, f"{words.format(share.percent())}, n = {share.n}"
