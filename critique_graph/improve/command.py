"""`critique-graph improve`: an actor learns from its own correct responses, and from those that a critic led to."""

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from critique_graph.core.errors import MissingDependencyError
from critique_graph.core.settings import OUTPUT
from critique_graph.improve.plot import plot_improvement
from critique_graph.improve.run import improve_actor
from critique_graph.improve.settings import ImproveSettings
from critique_graph.improve.table import improvement_table
from critique_graph.output.figures import check_figure
from critique_graph.output.terminal import log, plain
from critique_graph.runs.progress import Progress
from critique_graph.verbs.output import RunOutput


def improve(
    problems: str | None = None,
    /,
    *,
    settings: Annotated[ImproveSettings, Parameter(name="*")] = ImproveSettings(),  # noqa: B008 - frozen
    output: Annotated[RunOutput, Parameter(name="*")] = RunOutput(),  # noqa: B008 - frozen
    plot: Annotated[Path | None, OUTPUT] = None,
) -> int:
    """Improve an actor in iterations: explore, refine wrong responses, train on correct ones, evaluate.

    Every problem needs a reference answer. The same command again resumes at the stage in which it stopped.
    OUT/best.json names the model that is best on the validation problems; the model of each iteration is in
    OUT/iteration-N/model.

    Args:
        problems: `miniature` (the default), a JSONL, JSON, CSV or Parquet file, or `hf:owner/name[:config[:split]]`.
        plot: Draw accuracy by iteration, under this name with `-levels` what share of the learned rows each level has,
            and with `-critic` the verdicts of a critic that learns, as SVG and PNG with the numbers as CSV; the file
            ends in .svg, .png or .pdf, which is then written too (needs the extra `report`).
    """
    if plot is not None:
        check_figure(plot)
    if find_spec("trl") is None:
        raise MissingDependencyError("trl", extra="train", purpose="improve")

    def progress(title: str) -> Progress:
        if not output.quiet:
            log.print(plain(title), style="bold")
        return output.progress(Progress)

    found = improve_actor(**settings.naming(problems), **output.keywords(), progress=progress)
    if plot is not None and (written := plot_improvement(found, plot)):
        log.print(plain(f"written: {', '.join(map(str, written))}"))
    shown = [plain(improvement_table(found))]
    if found.best is not None:
        shown.append(plain(f"best: iteration {found.best.index}, {found.best.model}", style="bold"))
    return output.show(found, shown)
