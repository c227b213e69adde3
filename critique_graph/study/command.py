"""`critique-graph study`: every figure of the paper, for given models."""

from collections.abc import Iterator
from typing import Annotated

from cyclopts import Parameter
from rich.console import RenderableType
from rich.table import Table

from critique_graph.core.settings import OUTPUT
from critique_graph.output.terminal import Flag, log, plain
from critique_graph.runs.progress import Progress
from critique_graph.study.run import Study, run_study
from critique_graph.study.settings import StudySettings
from critique_graph.verbs.output import RunOutput

_STYLE = {"yes": "green", "no": "red", "unclear": "yellow"}


def study(
    problems: str | None = None,
    /,
    *,
    settings: Annotated[StudySettings, Parameter(name="*")] = StudySettings(),  # noqa: B008 - frozen
    output: Annotated[RunOutput, Parameter(name="*")] = RunOutput(),  # noqa: B008 - frozen
    plot: Annotated[Flag, OUTPUT] = False,
) -> int:
    """Measure the findings of the paper for your models: does each hold, with what interval, at what compute?

    The parts share their runs, which are ordinary run folders in the study's folder. The same command again resumes;
    with another --only it adds parts. OUT/README.md reads as a results section, and OUT/study.json has all numbers.

    Args:
        problems: `miniature` (the default), a JSONL, JSON, CSV or Parquet file, or `hf:owner/name[:config[:split]]`.
        plot: Draw the figures of the parts into OUT/figures, as SVG and PNG with the numbers as CSV (needs the extra
            `report`).
    """

    def announce(part: str) -> None:
        if not output.quiet:
            log.print(plain(part), style="bold")

    found = run_study(
        **settings.naming(problems),
        **output.keywords(),
        plot=plot,
        progress=output.progress(Progress),
        announce=announce,
    )
    return output.show(found, list(_shown(found)), failed=found.failed)


def _shown(study: Study) -> Iterator[RenderableType]:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("part", "finding", "difference", "n", "holds"):
        table.add_column(name, justify="right" if name in ("difference", "n") else "left", overflow="fold")
    for part in study.parts:
        for finding in part.findings:
            numbers = (finding.value, finding.low, finding.high)
            value, low, high = ("-" if x is None else f"{100 * x:+.1f}" for x in numbers)
            table.add_row(
                part.part,
                finding.name.replace("_", " "),
                f"{value} [{low}, {high}]",
                str(finding.n),
                plain(finding.holds, style=_STYLE[finding.holds]),
            )
    yield table
    for part in study.parts:
        if part.left_out is not None:
            yield plain(f"{part.part}: {part.left_out}", style="yellow")
    yield plain(f"{study.problems} problems · {study.seconds:.1f} s · {study.run}/README.md")
