"""`critique-graph improve`: an actor that learns from its own right answers, and from those a critic led it to."""

import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from critique_graph.core.errors import MissingDependencyError
from critique_graph.improve.problems import improvement_problems
from critique_graph.improve.records import Evaluation, ImprovementSummary, Iteration
from critique_graph.improve.run import improve as improve_actor
from critique_graph.improve.settings import ImproveSettings
from critique_graph.output.terminal import Flag, log, plain, print_json, print_text, stdout
from critique_graph.runs.progress import Progress


def improve(
    problems: str | None = None,
    /,
    *,
    settings: Annotated[ImproveSettings, Parameter(name="*")] = ImproveSettings(),  # noqa: B008 - frozen
    out: Path | None = None,
    fresh: Flag = False,
    json: Flag = False,
    quiet: Flag = False,
) -> int:
    """Improve an actor: explore, refine what is wrong by critiques, train on what is right, evaluate, again.

    Every problem needs its reference answer. The same command again resumes, in whatever stage it stopped.
    OUT/best.json names the best model, by validation problems; every iteration's is in OUT/iteration-N/model.

    Args:
        problems: `miniature` (the default), a JSONL, JSON, CSV or Parquet file, or `hf:owner/name[:config[:split]]`.
        out: Folder of all that is made; by default a new one under `runs/`.
        fresh: Start over in a folder that holds an improvement.
        json: Print the summary as one JSON object.
        quiet: No progress.
    """
    if find_spec("trl") is None:
        raise MissingDependencyError("trl", extra="train", purpose="improve")
    if problems is not None:
        settings = settings.model_copy(update={"problems": problems})
    folder = out or Path("runs") / f"improve-{time.strftime('%Y%m%d-%H%M%S')}"

    def progress(title: str) -> Progress:
        if not quiet:
            log.print(plain(title), style="bold")
        return Progress(console=log, quiet=quiet)

    end, summary = improve_actor(improvement_problems(settings), folder, settings, fresh=fresh, progress=progress)
    if json:
        print_json(summary.model_dump(mode="json"))
    else:
        print_text(improvement_table(summary))
        if summary.best is not None:
            stdout.print(plain(f"best: iteration {summary.best.index}, {summary.best.model}"), style="bold")
    if end.reason:
        log.print(plain(f"critique-graph: stopped early: {end.reason}"), style="red")
    return end.exit_code(failed=sum(iteration.failed for iteration in summary.iterations))


def improvement_table(summary: ImprovementSummary) -> str:
    """Give the figures by iteration; a line may be wider than a terminal, where a cell of three lines reads worse."""
    measured: list[Evaluation] = [*([summary.start] if summary.start else []), *summary.iterations]
    rows = [["", *("start" if number == 0 else f"iteration {number}" for number in range(len(measured)))]]
    rows += [[name, *map(figure, measured)] for name, figure in _MEASURED.items()]
    rows += [
        [name, *(["-"] if summary.start else []), *map(count, summary.iterations)] for name, count in _KEPT.items()
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


_MEASURED: dict[str, Callable[[Evaluation], str]] = {
    "validation": lambda found: found.validation.percent(),
    "test, alone": lambda found: found.accuracy.percent(),
    "test, hard ones": lambda found: found.accuracy_hard.percent(),
    "test, with critic": lambda found: found.accuracy_with_critic.percent() if found.accuracy_with_critic else "-",
}
_KEPT: dict[str, Callable[[Iteration], str]] = {
    "right when explored": lambda found: found.responses.percent(),
    "wrong, repaired": lambda found: found.repaired.percent(),
    "rows, direct": lambda found: str(found.kept_direct),
    "rows, refined": lambda found: str(found.kept_refined),
    "rows, of hard ones": lambda found: found.kept_hard.percent(),
    "hard ones with rows": lambda found: found.covered_hard.percent(),
}
