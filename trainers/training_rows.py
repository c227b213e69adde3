"""The rows that a training learns: chosen from data or traces once, and kept in its folder while it lasts."""

from collections.abc import Iterator
from pathlib import Path
from shutil import rmtree

from critique_graph.core.files import write_atomically
from critique_graph.core.json_lines import json_line
from critique_graph.core.schema import Record
from critique_graph.problems.held_out import is_held_out
from critique_graph.trainers.candidates import Candidate, read_candidates, warned
from critique_graph.trainers.rows import Task
from critique_graph.trainers.rows_file import RowsFile, is_rows_file, read_rows_file
from critique_graph.trainers.selection import RowDrop, write_selected
from critique_graph.trainers.settings import TrainSettings
from critique_graph.trainers.training_folder import CHECKPOINTS, ENCODED, HELD_OUT, ROWS, SELECTED


class SelectedRows(Record):
    """Record of the rows that a training learns."""

    rows: int
    """Number of rows to learn, in `rows/train.jsonl`."""
    held_out: int
    """Number of rows of problems that are held out, on which a step critic is measured."""
    test_sets: dict[str, int]
    """Number of rows to learn by public test set."""
    dropped: dict[RowDrop, int]
    """Number of rows that were left out, by reason."""


def select_rows(task: Task, data: Path, folder: Path, settings: TrainSettings) -> SelectedRows:
    """Choose the rows to learn and write them into the folder; a training that has begun keeps the rows that it has.

    Raises:
        InputError: The data hold no rows of the task.
    """
    record = folder / SELECTED
    if (folder / CHECKPOINTS).exists() and record.is_file():
        return read_selected(folder)
    rmtree(folder / ENCODED, ignore_errors=True)
    (folder / ROWS).mkdir(exist_ok=True)
    is_selected, held_out = is_rows_file(data), 0
    found = (
        warned(read_rows_file(data, task), data)
        if is_selected
        else read_candidates(data, task, with_reasoning=settings.reasoning)
    )

    def learned() -> Iterator[Candidate]:
        nonlocal held_out
        if task != "step-critic":
            yield from found
            return
        with (folder / HELD_OUT).open("wb") as measured:
            for candidate in found:
                if is_held_out(candidate.problem):
                    measured.write(json_line(candidate.row))
                    held_out += 1
                else:
                    yield candidate

    written = write_selected(
        learned(),
        folder / ROWS / "train.jsonl",
        per_problem=None if is_selected else settings.per_problem,
        balance="none" if is_selected else settings.balance,
        distinct=not is_selected,
        seed=settings.seed,
    )
    selected = SelectedRows(rows=written.rows, held_out=held_out, test_sets=written.test_sets, dropped=written.dropped)
    write_atomically(record, [selected.model_dump_json(indent=2).encode()])
    return selected


def read_selected(folder: Path) -> SelectedRows:
    """Read the record that `select_rows` has written, in another process or earlier."""
    return SelectedRows.model_validate_json((folder / SELECTED).read_bytes())


def rows_to_learn(folder: Path, selected: SelectedRows) -> RowsFile:
    """Give the rows to learn."""
    return RowsFile(folder / ROWS / "train.jsonl", selected.rows)


def rows_to_measure(folder: Path, selected: SelectedRows) -> RowsFile:
    """Give the rows of held-out problems."""
    return RowsFile(folder / HELD_OUT, selected.held_out)
