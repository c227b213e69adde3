"""`critique-graph report`: what runs found, as one HTML file."""

from pathlib import Path
from typing import Annotated

from critique_graph.core.errors import CritiqueGraphError, InputError
from critique_graph.core.settings import OUTPUT
from critique_graph.output.terminal import Flag, log, plain, print_json
from critique_graph.report.kinds import DEFAULT_NAME
from critique_graph.report.page import require_extra, write_report


def report(
    *runs: Path,
    out: Annotated[Path | None, OUTPUT] = None,
    json: Annotated[Flag, OUTPUT] = False,
) -> int:
    """Write what runs found as one HTML file, which a browser opens without a network.

    It has the figures with their intervals, plots, a table of problems to search and filter, and for each problem
    everything that was written: responses, critiques beside the steps they judge, refinements as differences, the vote.
    Folders of `run`, `compare`, `generate`, `self-talk`, `eval-critic`, `improve` and `study` can be shown.

    Args:
        runs: Folder of a verb; several folders of `critique-graph run` are shown side by side.
        out: File to write; by default `report.html` in the folder of a single run.
        json: Print the number of runs and problems, the file and its size as one JSON object.
    """
    if not runs:
        raise InputError("name the folder of a run, or of several: critique-graph report runs/first --out first.html.")
    if out is None:
        if len(runs) > 1:
            raise InputError("several runs need a name for the file: add --out FILE.html.")
        out = runs[0] / DEFAULT_NAME
        if not runs[0].is_dir():
            raise InputError(f"{runs[0]}: there is no such folder.")
    page = write_report(runs, out)
    size = out.stat().st_size
    if json:
        print_json({"runs": len(page.names), "problems": len(page.rows), "bytes": size, "out": str(out)})
    else:
        problems = f"{len(page.rows):,} problems, " if page.rows else ""
        log.print(plain(f"written: {out} ({problems}{size / 1e6:.1f} MB)"), soft_wrap=True)
    return 0


class RunReporter:
    """Writes the page of a run into its folder, for `--report` of the verbs."""

    def check(self) -> None:
        """Check that pages can be written, before a model is called; raises MissingDependencyError."""
        require_extra("--report")

    def write(self, folder: Path) -> None:
        """Write the page, or say why there is none; the run keeps its own exit code."""
        try:
            write_report([folder], folder / DEFAULT_NAME)
        except CritiqueGraphError as error:
            log.print(plain(f"critique-graph: there is no report: {error}"), style="red", soft_wrap=True)
        else:
            log.print(plain(f"written: {folder / DEFAULT_NAME}"), soft_wrap=True)
