"""`critique-graph compare | eval-critic`: is the critic worth its compute, and does it find the errors?"""

import time
from pathlib import Path
from typing import Annotated, get_args

from cyclopts import Parameter
from rich.table import Table

from critique_graph.calls.settings import CompareSettings, EvalCriticSettings
from critique_graph.compare.comparison import Comparison, comparison_tables
from critique_graph.compare.plot import check_plot, plot_comparison
from critique_graph.compare.pool import compare_models, compare_run
from critique_graph.core.errors import InputError
from critique_graph.core.schema import FailureKind
from critique_graph.eval_critic.score import CriticEvaluation, evaluate_critic
from critique_graph.metrics.at_k import FirstErrors
from critique_graph.models.roles import load_pair
from critique_graph.output.terminal import Flag, log, print_json, stdout
from critique_graph.runs.progress import Progress
from critique_graph.solve.live import plain
from critique_graph.solve.table import percent


def compare(
    problems: str | None = None,
    /,
    *,
    settings: Annotated[CompareSettings, Parameter(name="*")] = CompareSettings(),  # noqa: B008 - frozen
    out: Path | None = None,
    fresh: Flag = False,
    plot: Path | None = None,
    json: Flag = False,
    quiet: Flag = False,
) -> int:
    """Compare the critic with majority vote, and other ways to spend as much, on one pool of samples per problem.

    The reference answers only grade. The same command again resumes; `critique-graph compare RUN` compares what is in
    the folder of an earlier `compare`, or of a `run` with several samples, without calling a model.

    Args:
        problems: `miniature` (the default), a JSONL, JSON, CSV or Parquet file, `hf:owner/name[:config[:split]]`, or
            the folder of a saved run.
        out: The run's folder; by default a new one under `runs/`.
        fresh: Start over in a folder that holds a run.
        plot: Draw accuracy against tokens into this file: .svg, .png or .pdf (needs the extra `report`).
        json: Print the comparison as one JSON object.
        quiet: No progress.
    """
    if plot is not None:
        check_plot(plot)
    if problems is not None and Path(problems).is_dir():
        given = sorted(settings.model_fields_set) + ["out"] * (out is not None) + ["fresh"] * fresh
        if given:
            raise InputError(f"--{given[0].replace('_', '-')} does not apply to a saved run: {problems} has its own.")
        _show(compare_run(problems), plot, json=json)
        return 0
    if problems is not None:
        settings = settings.model_copy(update={"problems": problems})
    folder = out or Path("runs") / f"compare-{time.strftime('%Y%m%d-%H%M%S')}"
    pair = load_pair(settings)
    progress = Progress(console=log, quiet=quiet)
    end, comparison = compare_models(pair.actor, pair.critic, folder, settings, fresh=fresh, progress=progress)
    if comparison is None:
        log.print("critique-graph: no problem was finished", style="red")
    else:
        _show(comparison, plot, json=json)
    if end.reason:
        log.print(plain(f"critique-graph: stopped early: {end.reason}"), style="red")
    return end.exit_code(failed=comparison.unfinished if comparison else 1)


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
        table.add_row(name, plain(f"{percent(scores.f1)}, n = {scores.f1.n}"))
        for part, rate in (("with a wrong step", scores.on_erroneous), ("without one", scores.on_correct)):
            table.add_row(f"  {part}", plain(f"{percent(rate)} as labelled, n = {rate.n}"))

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


def _show(comparison: Comparison, plot: Path | None, *, json: bool) -> None:
    if plot is not None:
        plot_comparison(comparison, plot)
        log.print(f"written: {plot}", markup=False)
    if json:
        print_json(comparison.model_dump(mode="json"))
        return
    stdout.print(comparison_tables(comparison))
    cost = f"{comparison.tokens:,} tokens, {comparison.seconds:.1f} s"
    stdout.print(plain(f"{comparison.size} · {cost} · {comparison.run}"))
    stdout.print(plain(comparison.verdict), style="bold")
