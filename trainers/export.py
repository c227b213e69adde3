"""Data of `generate` and `self-talk`, and traces of `run`, as files that trainers read."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from critique_graph.core.errors import InputError
from critique_graph.core.json_lines import write_json_lines
from critique_graph.core.schema import Record, Trace
from critique_graph.generate.dataset import CritiqueRow, find_dataset, read_dataset, write_parquet
from critique_graph.generate.mathcritique import (
    MathCritiqueExample,
    examples,
    is_mathcritique,
    read_mathcritique,
    write_example,
    write_mathcritique,
)
from critique_graph.problems.held_out import refuse_test_question
from critique_graph.runs.checkpoints import read_checkpoints
from critique_graph.runs.traces import read_traces
from critique_graph.trainers.candidates import Candidate, read_candidates, trace_candidates
from critique_graph.trainers.other_trainers import write_export
from critique_graph.trainers.prompt_rows import PROMPT_TASKS, PromptTask, rows_of_dataset, rows_of_traces
from critique_graph.trainers.rows import PREFERENCES, PreferenceRow, PromptRow, ResponseRow, Task, TrainingRow
from critique_graph.trainers.verl_prompts import write_prompts

Format = Literal["trl", "llama-factory", "axolotl", "verl", "openrlhf", "prm", "mathcritique", "parquet", "traces"]


ExportTask = Literal[Task, PromptTask]
"""What `export` takes: the tasks that learn from rows, and those that are rewarded for what they write."""


class Export(Record):
    """What an export wrote, as `critique-graph export --json` prints it."""

    format: Format
    task: ExportTask
    rows: int
    out: str
    """Path of the file, or of the folder for another trainer."""
    command: str | None = None
    """Command that starts the training, if the format belongs to another trainer; None otherwise."""


def export_rows(
    run: Path | str | None = None,
    *,
    to: Format,
    out: Path | str,
    task: ExportTask = "critic",
    reasoning: bool = False,
    model: str | None = None,
    checkpoints: str | None = None,
) -> Export:
    """Write files for trainers, from a data set or from traces, as `critique-graph export` does.

    Example:
        >>> export_rows("runs/data", to="trl", task="critic", out="critic.jsonl").rows

    Args:
        run: A run folder of `generate`, `self-talk` or `run`, the file of a data set, of released MathCritique data or
            of labelled steps, or a traces.jsonl.
        to: Format of the file; see `critique-graph export --help`.
        out: Path of the file to write, or of the folder for `llama-factory`, `axolotl`, `verl` and `openrlhf`.
        task: Task that the rows teach.
        reasoning: In rows for a critic, include the reasoning that was written before the critique.
        model: Model from which training starts, for the configuration of another trainer.
        checkpoints: LangGraph checkpoints of an application, instead of a run: a SQLite file or `postgresql://...`.

    Raises:
        InputError: The run holds no such data, or an argument that the format needs is missing.
        MissingDependencyError: Parquet needs the extra `data`, and checkpoints need the extra `checkpoints`.
    """
    source, out = Source(None if run is None else Path(run), checkpoints), Path(out)
    if to in ("llama-factory", "axolotl", "verl", "openrlhf"):
        if model is None:
            raise InputError(f"--to {to} needs --out FOLDER and --model NAME_OR_PATH.")
        if task in PROMPT_TASKS and to == "verl":
            count, command = write_prompts(source.prompts(task), task, out, model=model)
        else:
            count, command = write_export(to, source.rows(task, reasoning), out, model=model)
        return Export(format=to, task=task, rows=count, out=str(out), command=command)
    if to == "parquet":
        return Export(format=to, task=task, rows=write_parquet(out, source.dataset()), out=str(out))
    if to == "mathcritique":
        return Export(format=to, task=task, rows=write_mathcritique(out, source.examples()), out=str(out))
    written = write_json_lines(out, exported_records(source, to, task, reasoning))
    return Export(format=to, task=task, rows=written, out=str(out))


def exported_records(source: "Source", to: Format, task: ExportTask, reasoning: bool) -> Iterable[Any]:
    """Give the records of an export, one for each line, for the formats that consist of lines.

    Raises:
        InputError: The format does not consist of lines.
    """
    match to:
        case "mathcritique":
            return map(write_example, source.examples())
        case "prm":
            return (candidate.row for candidate in source.candidates("step-critic"))
        case "trl":
            if task in PROMPT_TASKS:
                return source.prompts(task)
            return (candidate.row for candidate in source.candidates(cast(Task, task), reasoning))
        case "traces":
            return source.traces()
        case "parquet":
            raise InputError("--to parquet needs --out FILE.parquet.")
        case _:
            raise InputError(f"--to {to} needs --out FOLDER and --model NAME_OR_PATH.")


@dataclass(frozen=True)
class Source:
    """Source of an export: either a run or the checkpoints of an application."""

    run: Path | None
    checkpoints: str | None

    def __post_init__(self) -> None:
        if (self.run is None) == (self.checkpoints is None):
            raise InputError("export needs a run or --checkpoints, one of the two.")

    def traces(self) -> Iterator[Trace]:
        return read_traces(self._run()) if self.checkpoints is None else read_checkpoints(self.checkpoints)

    def dataset(self) -> Iterator[CritiqueRow]:
        run = self._run()
        if is_mathcritique(run):
            raise InputError(
                f"{run}: released data have no reference answers, so they cannot be exported --to parquet."
            )
        for row in read_dataset(run):
            refuse_test_question(row.problem, row.question)
            yield row

    def examples(self) -> Iterator[MathCritiqueExample]:
        run = self._run()
        return read_mathcritique(run) if is_mathcritique(run) else examples(self.dataset())

    def prompts(self, task: PromptTask) -> Iterator[PromptRow | ResponseRow]:
        if self.checkpoints is None and find_dataset(self._run()) is not None:
            return rows_of_dataset(self.dataset(), task)
        return rows_of_traces(self.traces(), task)

    def candidates(self, task: Task, reasoning: bool = False) -> Iterator[Candidate]:
        if self.checkpoints is not None and task != "critic-preference":
            return trace_candidates(self.traces(), task, with_reasoning=reasoning)
        return read_candidates(self._run(), task, with_reasoning=reasoning)

    def rows(self, task: ExportTask, reasoning: bool) -> Iterator[TrainingRow]:
        """Give rows with one prompt and one completion.

        Raises:
            InputError: The rows of the task have another form.
        """
        if task in PROMPT_TASKS:
            raise InputError(f"--task {task} has prompts alone: it can be exported --to trl or verl.")
        if task in (*PREFERENCES, "step-critic"):
            raise InputError(f"--task {task} can only be exported --to {'prm' if task == 'step-critic' else 'trl'}.")
        return (cast(TrainingRow, candidate.row) for candidate in self.candidates(cast(Task, task), reasoning))

    def answers(self, task: ExportTask, reasoning: bool) -> Iterator[TrainingRow]:
        """Give rows with one prompt and one completion; a preference makes two rows, one for each answer."""
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
