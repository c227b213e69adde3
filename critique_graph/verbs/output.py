"""The flags of every verb with a run folder, and how it prints its findings."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

from rich.console import RenderableType
from rich.table import Table

from critique_graph.core import command_line
from critique_graph.core.settings import OUTPUT
from critique_graph.output.terminal import Flag, log, plain, print_json, stdout
from critique_graph.runs.progress import Progress
from critique_graph.runs.record import Ended, Reason

Shown = TypeVar("Shown", bound=Progress)


@dataclass(frozen=True)
class RunOutput:
    """Where a run is stored, and what is printed about it.

    Args:
        out: Folder of the run; by default a new one under `runs/`. The same command with the same folder resumes.
        fresh: Start over in a folder that holds a run.
        json: Print the result as one JSON object.
        quiet: Print the result alone, without progress.
        report: Write what was found as one HTML file, `report.html` in the folder of the run.
    """

    out: Annotated[Path | None, OUTPUT] = None
    fresh: Annotated[Flag, OUTPUT] = False
    json: Annotated[Flag, OUTPUT] = False
    quiet: Annotated[Flag, OUTPUT] = False
    report: Annotated[Flag, OUTPUT] = False

    def __post_init__(self) -> None:
        if self.report and command_line.load_reporter is not None:
            command_line.load_reporter().check()

    def keywords(self) -> dict[str, Any]:
        """Give `out` and `fresh` as keyword arguments of the function that a verb calls."""
        return {"out": self.out, "fresh": self.fresh}

    def progress(self, kind: type[Shown]) -> Shown:
        """Create the display of the run's progress."""
        return kind(console=log, quiet=self.quiet)

    def show(self, found: Ended, shown: Iterable[RenderableType], *, failed: int | None = None) -> int:
        """Print the findings of a run, as JSON or for people; gives the exit code.

        Args:
            found: The run's record.
            shown: What is printed for people.
            failed: Number of failures that decides the exit code, where it is not the record's own.
        """
        if self.json:
            print_json(found.model_dump(mode="json", by_alias=True))
        else:
            for part in shown:
                stdout.print(part)
            if found.money is not None:
                stdout.print(plain(_in_money(found.money)))
            if found.reasons:
                stdout.print(reasons_table(found.reasons))
        if self.report and command_line.load_reporter is not None:
            command_line.load_reporter().write(Path(found.run))
        if found.reason:
            log.print(plain(f"critique-graph: stopped early: {found.reason}"), style="red")
        return found.exit_code(failed)


def _in_money(money: Mapping[str, float]) -> str:
    """Say what a run cost: `money 0.3561 = 0.1321 actor + 0.2240 critic`."""
    parts = " + ".join(f"{cost:,.4f} {role}" for role, cost in money.items() if role != "total")
    return f"money {money['total']:,.4f} = {parts}"


def reasons_table(reasons: Iterable[Reason]) -> Table:
    """Lay out why problems failed or were quarantined."""
    table = Table(box=None, pad_edge=False)
    for name in ("outcome", "problems", "example", "reason"):
        table.add_column(name, justify="right" if name == "problems" else "left", overflow="fold")
    for found in reasons:
        table.add_row(found.status, str(found.problems), plain(found.example), plain(found.reason))
    return table


def new_folder(verb: str) -> Path:
    """Give a new folder under `runs/` for a run of a verb."""
    return Path("runs") / f"{verb}-{time.strftime('%Y%m%d-%H%M%S')}"


def run_folder(out: Path | str | None, verb: str) -> Path:
    """Give the folder that was asked for, or a new one."""
    return Path(out) if out is not None else new_folder(verb)
