"""`critique-graph eval-critic`: does the critic find the first wrong step?"""

from collections.abc import Iterator
from typing import Annotated, cast, get_args

from cyclopts import Parameter
from rich.table import Table

from critique_graph.core.reasons import FailureKind
from critique_graph.eval_critic.score import CriticEvaluation, evaluate_critic
from critique_graph.eval_critic.settings import EvalCriticSettings
from critique_graph.metrics.judgement import FirstErrors
from critique_graph.output.terminal import figures_table
from critique_graph.runs.progress import Progress
from critique_graph.verbs.output import RunOutput


def eval_critic(
    *files: str,
    settings: Annotated[EvalCriticSettings, Parameter(name="*")] = EvalCriticSettings(),  # noqa: B008 - frozen
    output: Annotated[RunOutput, Parameter(name="*")] = RunOutput(),  # noqa: B008 - frozen
) -> int:
    """Measure whether the critic finds the first wrong step: accuracy and F1, by the protocol of ProcessBench.

    F1 is the harmonic mean of the accuracy on responses with a wrong step and of that on responses without one. A
    critique that is unreadable or missing counts as wrong. Several critiques of a response give its verdict a
    confidence, whose calibration error is measured, too. The same command again resumes.

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
    scores = [("first-error F1", cast(FirstErrors, found))]
    if len(found.by_source) > 1:
        scores += found.by_source.items()
    shown = {**found.unreadable, "unlabelled": found.unlabelled, "failed": found.failed, "pending": found.pending}
    counts = ", ".join(f"{count} {reason}" for reason, count in shown.items() if count)
    return figures_table(
        [
            *(figure for name, its in scores for figure in _figures(name, its)),
            ("no prediction", counts or "none"),
            *_calibration(found),
            ("tokens", f"{found.tokens:,}"),
            ("time", f"{found.seconds:.1f} s"),
            ("run", found.run),
        ]
    )


def _calibration(found: CriticEvaluation) -> Iterator[tuple[str, str]]:
    if found.calibration is not None:
        ece = found.calibration.ece
        yield "calibration error", f"{ece.percent()}, n = {ece.n} verdicts of several critiques"


def _figures(name: str, scores: FirstErrors) -> Iterator[tuple[str, str]]:
    yield name, f"{scores.f1.percent()}, n = {scores.f1.n}"
    yield "  with a wrong step", f"{scores.on_erroneous.percent()} as labelled, n = {scores.on_erroneous.n}"
    yield "  without a wrong step", f"{scores.on_correct.percent()} as labelled, n = {scores.on_correct.n}"
