"""`critique-graph compare`: is the critic worth its compute?"""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import RenderableType

from critique_graph.compare.comparison import Comparison
from critique_graph.compare.plot import plot_comparison
from critique_graph.compare.pool import compare_run, compare_strategies
from critique_graph.compare.report import comparison_tables
from critique_graph.compare.settings import CompareSettings
from critique_graph.core.errors import InputError, NothingDoneError
from critique_graph.core.settings import OUTPUT
from critique_graph.output.figures import check_figure
from critique_graph.output.terminal import log, plain
from critique_graph.runs.progress import Progress
from critique_graph.verbs.output import RunOutput


def compare(
    problems: str | None = None,
    /,
    *,
    settings: Annotated[CompareSettings, Parameter(name="*")] = CompareSettings(),  # noqa: B008 - frozen
    output: Annotated[RunOutput, Parameter(name="*")] = RunOutput(),  # noqa: B008 - frozen
    plot: Annotated[Path | None, OUTPUT] = None,
) -> int:
    """Compare the critic with majority vote and other strategies at equal cost, on one pool of samples per problem.

    Reference answers are used for grading only. The same command again resumes. `critique-graph compare RUN` compares
    the results in the folder of an earlier `compare`, or of a `run` with several samples, without calling a model.

    Args:
        problems: `miniature` (the default), a JSONL, JSON, CSV or Parquet file, `hf:owner/name[:config[:split]]`, or
            the folder of a saved run.
        plot: Draw accuracy against tokens, as SVG and PNG with the numbers as CSV, all under the name of this file; it
            ends in .svg, .png or .pdf, which is then written too (needs the extra `report`).
    """
    if plot is not None:
        check_figure(plot)
    if problems is not None and Path(problems).is_dir():
        given = sorted(settings.model_fields_set) + ["out"] * (output.out is not None) + ["fresh"] * output.fresh
        if given:
            raise InputError(
                f"--{given[0].replace('_', '-')} does not apply to a saved run: {problems} has its own settings."
            )
        _show(compare_run(problems), plot, output)
        return 0
    try:
        found = compare_strategies(**settings.naming(problems), **output.keywords(), progress=output.progress(Progress))
    except NothingDoneError as error:
        log.print(plain(f"critique-graph: {error}"), style="red")
        return error.exit_code
    return _show(found, plot, output)


def _show(comparison: Comparison, plot: Path | None, output: RunOutput) -> int:
    if plot is not None:
        written = plot_comparison(comparison, plot)
        log.print(plain(f"written: {', '.join(map(str, written))}"))
    cost = f"{comparison.tokens:,} tokens, {comparison.seconds:.1f} s"
    shown: list[RenderableType] = [
        comparison_tables(comparison),
        plain(f"{comparison.size} · {cost} · {comparison.run}"),
        plain(comparison.verdict, style="bold"),
    ]
    return output.show(comparison, shown, failed=comparison.unfinished)
