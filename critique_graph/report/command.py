"""`critique-graph report`: what runs found, as one HTML file."""

from pathlib import Path
from typing import Annotated

from critique_graph.core.errors import InputError
from critique_graph.core.settings import OUTPUT
from critique_graph.output.terminal import Flag, log, plain, print_json
from critique_graph.report.page import write_report

DEFAULT_NAME = "report.html"


def report(
    *runs: Path,
    out: Annotated[Path | None, OUTPUT] = None,
    json: Annotated[Flag, OUTPUT] = False,
) -> int:
    """Write what runs found as one HTML file, which a browser opens without a network.

    It has the figures with their intervals, plots, a table of problems to search and filter, and for each problem
    everything that was written: responses, critiques beside the steps they judge, refinements as differences, the vote.

    Args:
        runs: Folders of `critique-graph run`; several are shown side by side.
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
    contents = write_report(runs, out)
    size = out.stat().st_size
    if json:
        print_json({"runs": len(contents.runs), "problems": len(contents.rows), "bytes": size, "out": str(out)})
    else:
        log.print(plain(f"written: {out} ({len(contents.rows):,} problems, {size / 1e6:.1f} MB)"), soft_wrap=True)
    return 0
