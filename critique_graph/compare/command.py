"""`critique-graph compare | eval-critic`: is the critic worth its compute, and does it find the errors?"""

import time
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from critique_graph.compare.comparison import Comparison
from critique_graph.compare.plot import check_plot, plot_comparison
from critique_graph.compare.pool import compare_models, compare_run
from critique_graph.compare.report import comparison_tables
from critique_graph.compare.settings import CompareSettings
from critique_graph.core.errors import InputError
from critique_graph.models.roles import load_pair
from critique_graph.output.terminal import Flag, log, plain, print_json, stdout
from critique_graph.runs.progress import Progress


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
