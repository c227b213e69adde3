"""Load problem sets: the miniature's, files, and data sets from the Hugging Face hub.

Rows are read when they are requested, and their ids, by which duplicates are found, are kept on the disk: memory does
not grow with the set.
"""

import logging
import math
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Literal

from critique_graph.core.errors import InputError
from critique_graph.core.schema import Problem
from critique_graph.problems.rows import FileRow, JSONNumber, file_rows, hub_rows
from critique_graph.problems.solutions import has_worked_solution, worked_solution
from critique_graph.tasks.shipped import TaskGiven, read_task
from critique_graph.tasks.task import MATH, Fields, Task

logger = logging.getLogger(__name__)

QUESTION_FIELDS = ("question", "problem", "prompt", "query", "input")
ANSWER_FIELDS = (
    "answer",
    "expected_answer",
    "final_answer",
    "reference_answer",
    "correct_answer",
    "gold_answer",
    "ground_truth",
    "gold",
    "target",
    "reference",
    "solution",  # last: it is often a text that only ends in the answer
)
SOLUTION_FIELDS = ("solution",)
ID_FIELDS = ("id", "unique_id", "task_id")
LEVEL_FIELDS = ("level", "difficulty")
MINIATURE_LIMIT = 100

_LEVEL = re.compile(r"(?:level\s*)?(\d{1,4})(?:\.0)?", re.IGNORECASE)


def load_problems(
    spec: str | Path,
    *,
    question_field: str | None = None,
    answer_field: str | None = None,
    limit: int | None = None,
    seed: int = 0,
    split: Literal["train", "validation", "test"] = "test",
    with_solutions: bool = False,
    task: TaskGiven = MATH,
) -> Iterator[Problem]:
    """Give the problems of a set one by one.

    The reference answer is reduced to the bare answer (GSM8K marks it with `####`, MATH with a box), or is what the
    task reads. A problem without its own id (`id`, `unique_id`, `task_id`) gets one from its place: `test/000018`.

    Args:
        spec: `miniature`, a file (`.jsonl`, `.jsonl.gz`, `.json`, `.csv`, `.parquet`), or
            `hf:owner/name[:config[:split]]`.
        question_field: Field with the question; by default the first field of `QUESTION_FIELDS` that is filled.
        answer_field: Field with the reference answer; by default the first field of `ANSWER_FIELDS` that is filled.
            Capitals, spaces and hyphens in the names of fields do not matter.
        limit: Maximum number of problems, from the beginning (for the miniature: 100 by default).
        seed: Seed of the miniature's problems.
        split: Split of the miniature, and of `hf:` sets that name none; training data comes from `train`.
        with_solutions: Also give worked solutions: the field `solution`, or a reference answer that is one.
        task: Task, or its name, that makes the questions and reads the reference answers of files and `hf:` sets.

    Raises:
        InputError: There is no such task; the set cannot be used, or one of its rows; a row is only checked when it is
            reached.
        MissingDependencyError: Parquet and `hf:` need the extra `data`.
    """
    if limit is not None and limit < 1:
        raise InputError(f"limit must be at least 1, got {limit}.")
    task = read_task(task)
    if task.has_own_fields and (question_field or answer_field):
        raise InputError(f"task {task.name} reads fields of its own: leave out question_field and answer_field.")
    name = str(spec)
    if name == "miniature":
        # Its generator is not needed for any other set.
        from critique_graph.miniature.task import generate_problems

        return generate_problems(limit or MINIATURE_LIMIT, seed=seed, split=split)
    if name.startswith("hf:"):
        rows, stem, source = hub_rows(name, split=split), name.split(":")[1].split("/")[-1], name
    else:
        path = Path(name)
        rows, stem, source = file_rows(path), path.name.split(".")[0], path.name
    return _problems(
        islice(rows, limit),
        spec=name,
        stem=stem,
        source=source,
        question_fields=(question_field,) if question_field else QUESTION_FIELDS,
        answer_fields=(answer_field,) if answer_field else ANSWER_FIELDS,
        with_solutions=with_solutions,
        task=task,
    )


def _problems(
    rows: Iterator[FileRow],
    *,
    spec: str,
    stem: str,
    source: str,
    question_fields: tuple[str, ...],
    answer_fields: tuple[str, ...],
    with_solutions: bool,
    task: Task,
) -> Iterator[Problem]:
    index = -1
    with closing(_Ids()) as ids:
        for index, row in enumerate(rows):
            if index == 0 and not task.has_own_fields:
                _say_where_references_are(row, spec, answer_fields)
            problem = Problem(
                id=_id(row) or f"{stem}/{index:06d}",
                question=_question(row, question_fields, task),
                answer=_answer(row, answer_fields, task),
                level=_level(row),
                source=source,
                solution=_solution(row, answer_fields) if with_solutions else None,
            )
            if (first := ids.add(problem.id, row.number)) is not None:
                row.refuse(f"the id {problem.id!r} is that of {row.unit} {first} already. Give every problem its own.")
            yield problem
    if index < 0:
        raise InputError(f"{spec}: there are no problems in it.")


class _Ids:
    """The ids of the rows so far, in a file of SQLite's that ends with this object: a set may have millions."""

    def __init__(self) -> None:
        # Who began to read the set may be another thread than who reads it or lets it go.
        self._connection = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode = OFF")
        self._connection.execute("CREATE TABLE ids (id TEXT PRIMARY KEY, number INTEGER) WITHOUT ROWID")
        self._connection.execute("BEGIN")  # one transaction is faster than one for each row

    def add(self, problem_id: str, number: int) -> int | None:
        """Keep the id of a row; gives the number of the row that has it already, or None."""
        added = self._connection.execute("INSERT OR IGNORE INTO ids VALUES (?, ?)", (problem_id, number))
        if added.rowcount:
            return None
        found = self._connection.execute("SELECT number FROM ids WHERE id = ?", (problem_id,)).fetchone()
        return int(found[0])

    def close(self) -> None:
        """Delete the file."""
        self._connection.close()


def _names(row: FileRow) -> str:
    return ", ".join(map(repr, islice(row.fields, 20))) or "none"


def _say_where_references_are(row: FileRow, spec: str, names: tuple[str, ...]) -> None:
    """Tell the user what was chosen where no field was named and none is called `answer`."""
    name = row.find(names)
    if name is None and names == ANSWER_FIELDS:
        _say_once(
            f"{spec}: no reference answers, so nothing is graded: none of the fields {_names(row)} is known to hold "
            "them. Name one with --answer-field."
        )
    elif name is not None and len(names) > 1 and name.casefold() != "answer":
        _say_once(f"{spec}: the reference answers are read from {name!r}; --answer-field names another field.")


@cache
def _say_once(message: str) -> None:
    """Log a message; a set is read several times, and says the same each time."""
    logger.warning(message)


def _text(row: FileRow, name: str) -> str:
    """The field's text; numbers are given as they were written."""
    value = row.fields[name]
    if isinstance(value, float) and not math.isfinite(value):
        row.refuse(f"the field {name!r} is {value}, which is not a number.")
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        row.refuse(f"the field {name!r} is of type {type(value).__name__}; it must be text or a number.")
    return _unicode(row, str(value), f"the field {name!r}")


def _unicode(row: FileRow, text: str, what: str) -> str:
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        row.refuse(f"{what} holds a lone surrogate, which is not Unicode text. Remove it.")
    return text


def _own(row: FileRow, read: Callable[[str, Fields], str | None]) -> str | None:
    """Give what a task reads in fields of its own."""
    try:
        text = read("", row.fields)
    except ValueError as error:
        row.refuse(f"{error}.")
    return None if text is None else _unicode(row, text, "the row")


def _question(row: FileRow, names: tuple[str, ...], task: Task) -> str:
    if task.has_own_fields:
        return _own(row, task.question) or row.refuse("its question is empty.")
    name = row.find(names)
    if name is None:
        row.refuse(
            f"there is no field {' or '.join(map(repr, names))}; the fields are {_names(row)}. "
            f"Name one with --question-field."
        )
    value = row.fields[name]
    if value is None:
        value = ""
    if not isinstance(value, str) or isinstance(value, JSONNumber):
        kind = "number" if isinstance(value, JSONNumber) else type(value).__name__
        row.refuse(f"the question in {name!r} is of type {kind}; it must be text.")
    if not value.strip():
        row.refuse(f"the question in {name!r} is empty. Fill it in or remove the row.")
    try:
        return task.question(_text(row, name).strip(), row.fields)
    except ValueError as error:
        row.refuse(f"{error}.")


def _answer(row: FileRow, names: tuple[str, ...], task: Task) -> str | None:
    if task.has_own_fields:
        return _own(row, task.reference)
    name = row.find(names)
    if name is None and names != ANSWER_FIELDS:
        row.refuse(f"there is no field {names[0]!r}; the fields are {_names(row)}. Name one with --answer-field.")
    if name is None or row.fields[name] is None:
        return None
    try:
        return task.reference(_text(row, name), row.fields)
    except ValueError as error:
        row.refuse(f"{error}.")


def _solution(row: FileRow, answer_names: tuple[str, ...]) -> str | None:
    for name, needs_mark in ((row.find(SOLUTION_FIELDS), False), (row.find(answer_names), True)):
        text = row.fields[name] if name is not None else None
        if isinstance(text, str) and (not needs_mark or has_worked_solution(text)):
            return worked_solution(text)
    return None


def _id(row: FileRow) -> str | None:
    name = row.find(ID_FIELDS)
    return None if name is None or row.fields[name] is None else _text(row, name).strip()


def _level(row: FileRow) -> int | None:
    name = row.find(LEVEL_FIELDS)
    match = _LEVEL.fullmatch(str(row.fields[name]).strip()) if name else None
    return int(match[1]) if match else None
