"""`critique-graph eval-critic`: does the critic find the first wrong step?"""

import time
from pathlib import Path
from typing import Annotated, get_args

from cyclopts import Parameter
from rich.table import Table

from critique_graph.core.schema import FailureKind
from critique_graph.eval_critic.score import CriticEvaluation, evaluate_critic
from critique_graph.eval_critic.settings import EvalCriticSettings
from critique_graph.metrics.judgement import FirstErrors
from critique_graph.models.roles import load_pair
from critique_graph.output.terminal import Flag, log, plain, print_json, stdout
from critique_graph.runs.progress import Progress


def eval_critic(
    *files: str,
    settings: Annotated[EvalCriticSettings, Parameter(name="*")] = EvalCriticSettings(),  # noqa: B008 - frozen
    out: Path | None = None,
    fresh: Flag = False,
    json: Flag = False,
    quiet: Flag = False,
) -> int:
    """Measure whether the critic finds the first wrong step: accuracy and F1, by the protocol of ProcessBench.

    F1 is the harmonic mean of the accuracy on responses with a wrong step and on those without. A critique that cannot
    be read, and one that is missing, count as wrong. The same command again resumes.

    Args:
        files: Responses with `steps` and the `label` of the first wrong one (0-based, -1 for none), as JSON, JSONL or
            Parquet, or `hf:owner/name[:config[:split]]`; `miniature` (the default): its actor's, with exact labels.
        out: The run's folder; by default a new one under `runs/`.
        fresh: Start over in a folder that holds a run.
        json: Print the scores as one JSON object.
        quiet: No progress.
    """
    if files:
        settings = settings.model_copy(update={"sources": files})
    folder = out or Path("runs") / f"eval-critic-{time.strftime('%Y%m%d-%H%M%S')}"
    pair = load_pair(settings)
    progress = Progress(console=log, quiet=quiet)
    end, found = evaluate_critic(pair.actor, pair.critic, folder, settings, fresh=fresh, progress=progress)
    if json:
        print_json(found.model_dump(mode="json"))
    else:
        stdout.print(_evaluation_table(found))
    if end.reason:
        log.print(plain(f"critique-graph: stopped early: {end.reason}"), style="red")
    refused = sum(found.unreadable.get(kind, 0) for kind in get_args(FailureKind))
    return end.exit_code(failed=found.failed + refused)


def _evaluation_table(found: CriticEvaluation) -> Table:
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")

    def add(name: str, scores: FirstErrors) -> None:
        table.add_row(name, plain(f"{scores.f1.percent()}, n = {scores.f1.n}"))
        for part, rate in (("with a wrong step", scores.on_erroneous), ("without one", scores.on_correct)):
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
