"""Responses with a known first wrong step, as files in the format of ProcessBench hold them.

A row has `problem` (or another name of the question), `steps`, a list of texts, and `label`, the 0-based index of the
first wrong step, or -1 if no step is wrong.
"""

from pathlib import Path

from pydantic import JsonValue

from critique_graph.core.schema import Problem
from critique_graph.metrics.judgement import NO_ERROR
from critique_graph.problems.held_out import public_test_set
from critique_graph.problems.load import ID_FIELDS, QUESTION_FIELDS
from critique_graph.problems.rows import FileRow, has_fields


class LabelledProblem(Problem):
    """A question with the steps of a response to judge; without steps, the actor writes the response."""

    steps: tuple[str, ...] = ()
    label: int | None = None
    """0-based index of the first wrong step, or `NO_ERROR`; None if it is computed from the response."""

    def to_input(self) -> dict[str, JsonValue]:
        return super().to_input() | {"steps": list(self.steps)}


def is_labelled(path: Path) -> bool:
    """Tell by its first rows whether a file holds labelled responses."""
    return has_fields(path, "steps", "label")


def labelled_problem(row: FileRow, source: str, index: int) -> LabelledProblem:
    """Make a labelled response of a row.

    Args:
        row: The row.
        source: The file or data set.
        index: Number of the row in it, from 0, for the id of a row that has none.

    Raises:
        InputError: A field of the row is missing or has another form.
    """
    question = next((row.fields[name] for name in QUESTION_FIELDS if name in row.fields), None)
    steps, label = row.fields.get("steps"), row.fields.get("label")
    if not isinstance(question, str) or not question.strip():
        row.refuse(f"there is no question ({' or '.join(map(repr, QUESTION_FIELDS))}) in it.")
    if not isinstance(steps, list) or not steps or not all(isinstance(step, str) for step in steps):
        row.refuse("the field 'steps' must be a list of texts, one a step of the response.")
    try:
        "".join((question, *steps)).encode()
    except UnicodeEncodeError:
        row.refuse("it holds a lone surrogate, which is not Unicode text. Remove it.")
    first = str(label)
    if not first.removeprefix("-").isdecimal() or not NO_ERROR <= int(first) < len(steps):
        row.refuse(f"the field 'label' must be the 0-based index of a step, or -1, got {label!r}.")
    named = next((str(row.fields[name]) for name in ID_FIELDS if name in row.fields), None)
    return LabelledProblem(
        id=named or f"{Path(source).name.split('.')[0]}/{index:06d}",
        question=question.strip(),
        source=source,
        steps=tuple(steps),
        label=int(first),
    )


def test_sets_of(row: FileRow, question: str) -> list[str]:
    """Give the names of the public test sets that a labelled response belongs to."""
    names = ["ProcessBench"] if {"generator", "final_answer_correct"} <= set(row.fields) else []
    return names if (name := public_test_set(question)) is None else [*names, name]
