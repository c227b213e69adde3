"""Reads files of rows that `critique-graph export --to trl` wrote, or others in the format of TRL."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from critique_graph.core.errors import InputError
from critique_graph.core.json_lines import read_json_lines
from critique_graph.problems.held_out import public_test_set
from critique_graph.trainers.candidates import Candidate
from critique_graph.trainers.rows import LABELLED, PREFERENCES, AnyRow, Task

_KEYS: dict[str, set[str]] = {
    **{task: {"prompt", "chosen", "rejected"} for task in PREFERENCES},
    **{task: {"prompt", "completion", "label"} for task in LABELLED},
    "step-critic": {"prompt", "completions", "labels"},
}
_ROW = {"prompt", "completion"}


@dataclass(frozen=True)
class RowsFile:
    """Rows in a file of JSON lines, of which one is in memory at a time."""

    path: Path
    count: int
    """Number of rows."""

    def __len__(self) -> int:
        """Give the number of rows."""
        return self.count

    def __iter__(self) -> Iterator[AnyRow]:
        """Read the rows."""
        return (cast(AnyRow, found) for _, found in read_json_lines(self.path))


def is_rows_file(path: Path) -> bool:
    """Tell by its first line whether a file holds exported rows, and not a data set of `generate` or traces."""
    if not path.is_file():
        return False
    try:
        _, first = next(read_json_lines(path), (0, None))
    except InputError:
        return False
    return isinstance(first, dict) and "schema" not in first and "prompt" in first


def read_rows_file(path: Path, task: Task) -> Iterator[Candidate]:
    """Give the rows of a file; the file does not name problems, so each row counts as a problem of its own.

    Raises:
        InputError: A line is not a row of the task.
    """
    keys = _KEYS.get(task, _ROW)
    for number, found in read_json_lines(path):
        if not isinstance(found, dict) or not keys <= set(found):
            raise InputError(f"{path}, line {number} is no row of task {task}: it needs {', '.join(sorted(keys))}.")
        if not isinstance(found.get("label", True), bool):
            raise InputError(f"{path}, line {number}: label must be true or false, got {found['label']!r}.")
        made = cast(AnyRow, {key: found[key] for key in found if key in keys})
        name = public_test_set(found["prompt"]) if isinstance(found["prompt"], str) else None
        yield Candidate(made, str(number), None, True, () if name is None else (name,))
