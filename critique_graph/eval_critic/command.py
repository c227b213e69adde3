"""`critique-graph eval-critic`: does the critic find the first wrong step?"""

from typing import Annotated, get_args

from cyclopts import Parameter
from rich.table import Table

from critique_graph.core.schema import FailureKind
from critique_graph.eval_critic.score import CriticEvaluation, evaluate_critic
from critique_graph.eval_critic.settings import EvalCriticSettings
from critique_graph.metrics.judgement import FirstErrors
from critique_graph.output.terminal import plain
from critique_graph.runs.progress import Progress
from critique_graph.verbs.output import RunOutput


def eval_critic(
    *files: str,
    settings: Annotated[EvalCriticSettings, Parameter(name="*")] = EvalCriticSettings(),  # noqa: B008 - frozen
    output: Annotated[RunOutput, Parameter(name="*")] = RunOutput(),  # noqa: B008 - frozen
) -> int:
    """Measure whether the critic finds the first wrong step: accuracy and F1, by the protocol of ProcessBench.

    F1 is the harmonic mean of the accuracy on responses with a wrong step and of that on responses without one. A
    critique that is unreadable or missing counts as wrong. The same command again resumes.

    Args:
        files: Files (JSON, JSONL or Parquet) or `hf:owner/name[:config[:split]]` of responses with `steps` and
            `label`, the 0-based index of the first wrong step (-1 for none). `miniature` (the default): responses of
            its actor, with exact labels.
    """
    found = evaluate_critic(
        files or settings.sources, **dict(settings), **output.keywords(), progress=output.progress(Progress)
    )
    refused = sum(found.unreadable.get(kind, 0) for kind in get_args(FailureKind))
    return output.show(found, [evaluation_table(found)], failed=found.failed + refused)


def evaluation_table(found: CriticEvaluation) -> Table:
    """Lay out the scores."""
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")

    def add(name: str, scores: FirstErrors) -> None:
        table.add_row(name, plain(f"{scores.f1.percent()}, n = {scores.f1.n}"))
        for part, rate in (("with a wrong step", scores.on_erroneous), ("without a wrong step", scores.on_correct)):
            table.add_row(f"  {part}", plain(f"{rate.percent()} as labelled, n = {rate.n}"))

    add("first-error F1", found)
    if len(found.by_source) > 1:
        for source, scores in found.by_source.items():
            add(source, scores)
    shown = {**found.unreadable, "unlabelled": found.unlabelled, "failed": found.failed, "pending": found.pending}
    counts = ", ".join(f"{count} {reason}" for reason, count in shown.items() if count)
    table.add_row("no prediction", plain(counts or "none"))
    table.add_row("tokens", f"{found.tokens:,}")
    table.add_row("time", f"{found.seconds:.1f} s")
    table.add_row("run", plain(found.run))
    return table
