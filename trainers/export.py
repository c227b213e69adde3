"""Data of `generate` and `self-talk`, and traces of `run`, as files that trainers read."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from critique_graph.core.errors import InputError
from critique_graph.core.json_lines import write_json_lines
from critique_graph.core.schema import Record, Trace
from critique_graph.generate.dataset import CritiqueRow, read_dataset, write_parquet
from critique_graph.runs.checkpoints import read_checkpoints
from critique_graph.runs.traces import read_traces
from critique_graph.trainers.candidates import Candidate, read_candidates, trace_candidates
from critique_graph.trainers.mathcritique import examples, write_example
from critique_graph.trainers.other_trainers import write_export
from critique_graph.trainers.rows import PREFERENCES, PreferenceRow, Task, TrainingRow

Format = Literal["trl", "llama-factory", "axolotl", "verl", "openrlhf", "prm", "mathcritique", "parquet", "traces"]


class Export(Record):
    """What an export wrote, as `critique-graph export --json` prints it."""

    format: Format
    task: Task
    rows: int
    out: str
    """The file, or the folder for another trainer."""
    command: str | None = None
    """The command that trains on it, where the format is another trainer's."""


def export_rows(
    run: Path | str | None = None,
    *,
    to: Format,
    out: Path | str,
    task: Task = "critic",
    reasoning: bool = False,
    model: str | None = None,
    checkpoints: str | None = None,
) -> Export:
    """Write what trainers read, from a data set or from traces. What `critique-graph export` calls.

    Example:
        >>> export_rows("runs/data", to="trl", task="critic", out="critic.jsonl").rows

    Args:
        run: A run folder of `generate`, `self-talk` or `run`, a data set's file, or a traces.jsonl.
        to: Format of the file; see `critique-graph export --help`.
        out: Write here: a file, or a folder for `llama-factory`, `axolotl`, `verl` and `openrlhf`.
        task: What is learned from the rows.
        reasoning: Learn what was written before a critique, too, where a critic is to be trained.
        model: Model to begin with, for the configuration of another trainer.
        checkpoints: Instead of a run: LangGraph checkpoints of an application, a SQLite file or `postgresql://...`.

    Raises:
        InputError: There is nothing of the kind in the run, or something is missing that the format needs.
        MissingDependencyError: Parquet needs the extra `data`, checkpoints the extra `checkpoints`.
    """
    source, out = Source(None if run is None else Path(run), checkpoints), Path(out)
    if to in ("llama-factory", "axolotl", "verl", "openrlhf"):
        if model is None:
            raise InputError(f"--to {to} needs --out FOLDER and --model NAME_OR_PATH.")
        count, command = write_export(to, source.rows(task, reasoning), out, model=model)
        return Export(format=to, task=task, rows=count, out=str(out), command=command)
    if to == "parquet":
        return Export(format=to, task=task, rows=write_parquet(out, source.dataset()), out=str(out))
    written = write_json_lines(out, exported_records(source, to, task, reasoning))
    return Export(format=to, task=task, rows=written, out=str(out))


def exported_records(source: "Source", to: Format, task: Task, reasoning: bool) -> Iterable[Any]:
    """Give what an export writes, one a line, for the formats that have lines.

    Raises:
        InputError: The format has none.
    """
    match to:
        case "mathcritique":
            return map(write_example, examples(source.dataset()))
        case "prm":
            return (candidate.row for candidate in source.candidates("step-critic"))
        case "trl":
            return (candidate.row for candidate in source.candidates(task, reasoning))
        case "traces":
            return source.traces()
        case "parquet":
            raise InputError("--to parquet needs --out FILE.parquet.")
        case _:
            raise InputError(f"--to {to} needs --out FOLDER and --model NAME_OR_PATH.")


@dataclass(frozen=True)
class Source:
    """A run, or an application's checkpoints: one of the two."""

    run: Path | None
    checkpoints: str | None

    def __post_init__(self) -> None:
        if (self.run is None) == (self.checkpoints is None):
            raise InputError("export needs a run or --checkpoints, one of the two.")

    def traces(self) -> Iterator[Trace]:
        return read_traces(self._run()) if self.checkpoints is None else read_checkpoints(self.checkpoints)

    def dataset(self) -> Iterator[CritiqueRow]:
        return read_dataset(self._run())

    def candidates(self, task: Task, reasoning: bool = False) -> Iterator[Candidate]:
        if self.checkpoints is not None and task != "critic-preference":
            return trace_candidates(self.traces(), task, with_reasoning=reasoning)
        return read_candidates(self._run(), task, with_reasoning=reasoning)

    def rows(self, task: Task, reasoning: bool) -> Iterator[TrainingRow]:
        """Give rows of one completion.

        Raises:
            InputError: The task has others.
        """
        if task in (*PREFERENCES, "step-critic"):
            raise InputError(f"--task {task} goes --to {'prm' if task == 'step-critic' else 'trl'} alone, as rows.")
        return (cast(TrainingRow, candidate.row) for candidate in self.candidates(task, reasoning))

    def answers(self, task: Task, reasoning: bool) -> Iterator[TrainingRow]:
        """Give rows of one completion; of a preference, one row for each of its two answers."""
        if task not in PREFERENCES:
            yield from self.rows(task, reasoning)
            return
        for candidate in self.candidates(task, reasoning):
            pair = cast(PreferenceRow, candidate.row)
            yield {"prompt": pair["prompt"], "completion": pair["chosen"]}
            yield {"prompt": pair["prompt"], "completion": pair["rejected"]}

    def _run(self) -> Path:
        if self.run is None:
            raise InputError("an application's checkpoints hold traces, and no data set.")
        return self.run
