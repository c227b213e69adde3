"""The data set that `critique-graph generate` leaves: one kept critique per row, as JSON lines or Parquet."""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, get_args

from pydantic import computed_field, model_validator

from critique_graph.core.dataset_row import DatasetRow
from critique_graph.core.errors import InputError, MissingDependencyError
from critique_graph.core.json_lines import read_records, write_json_lines
from critique_graph.core.paths import PathSource, ReasoningPath, TemplateSource
from critique_graph.core.role_model import model_name
from critique_graph.core.schema import Verdict
from critique_graph.generate.funnel import PathsTrace
from critique_graph.metrics.intervals import Rate, independent_difference, wilson
from critique_graph.runs.folder import TRACES
from critique_graph.tasks.shipped import wording_of_rows

ROW_SCHEMA = "critique-graph.critique/1"
TRAIN = "train.jsonl"


class CritiqueRow(DatasetRow):
    """One critique that was kept, with what it is about and why it was kept (format `critique-graph.critique/1`)."""

    strategy: PathSource
    """How the response was made: `rg1`: sampled, and wrong; `rg2`: a correct path, cut after a step and continued at
    rising temperature; `rg3`: continued from an inserted error; `correct`: sampled, and correct."""
    template: TemplateSource | None = None
    """What a response of `rg2` or `rg3` begins with: a part of a correct `sample` of the actor, or of the data set's
    `reference` solution, which is not the actor's text; null for sampled responses."""
    response: str
    """The response that is critiqued."""
    answer: str | None
    """The final answer of the response."""
    is_correct: bool
    """Whether that answer equals the reference; the critique's verdict always agrees."""
    critique: str
    """The text of the critique: a verdict on every step, then one on the final answer."""
    reasoning: str | None = None
    """What the annotator wrote before the critique, where it is known; it may mention the hints."""
    verdict: Verdict
    """The critique's verdict on the final answer."""
    first_error: int | None
    """0-based index of the response's first wrong step, as the critique says."""
    error_step: int | None
    """0-based index of that step as it is known from the way the response was made; null where it is not known."""
    error_type: str | None
    """The type of an inserted error; null where none was inserted."""
    error_description: str | None
    """The inserted error in words."""
    refinement: str | None
    """The first correct refinement that was written with the critique."""
    refinements: int
    """How many refinements were tried with the critique."""
    refinements_without: int = 0
    """How many refinements were tried without the critique; none where the response is correct."""
    right_with: int
    """How many of the refinements with the critique were correct."""
    right_without: int
    """How many of the refinements without the critique were correct."""
    actor: str
    """The model that wrote the response and the refinement."""
    annotator: str
    """The model that wrote the critique."""

    @computed_field  # type: ignore[prop-decorator]  # mypy knows no decorated properties
    @property
    def share_with(self) -> Rate:
        """Share of the refinements with the critique that were correct, with Wilson's 95 % interval."""
        return wilson(self.right_with, self.refinements)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def share_without(self) -> Rate:
        """Share of the refinements without the critique that were correct, with Wilson's 95 % interval."""
        return wilson(self.right_without, self.refinements_without)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def lift(self) -> Rate:
        """The first share minus the second, with its 95 % interval; without value where the response is correct."""
        return independent_difference(self.share_without, self.share_with)

    @model_validator(mode="before")
    @classmethod
    def _with_both_counts(cls, given: Any) -> Any:
        """Take one count for both if the row was written when as many refinements were tried without the critique."""
        if isinstance(given, dict) and "refinements_without" not in given:
            return {**given, "refinements_without": 0 if given.get("is_correct") else given.get("refinements")}
        return given


def dataset_rows(traces: Iterable[PathsTrace]) -> Iterator[CritiqueRow]:
    """Give the rows of the kept critiques, in the order of problems and paths."""
    for trace in traces:
        for path in trace.paths:
            if path.drop is None:
                yield _row(trace, path)


def _row(trace: PathsTrace, path: ReasoningPath) -> CritiqueRow:
    problem, response, critique, trial = trace.problem, path.response, path.critique, path.trial
    assert response is not None
    assert critique is not None
    assert critique.final is not None
    assert trial is not None
    return CritiqueRow(
        id=f"{problem.id}/{path.name}",
        problem=problem.id,
        question=problem.question,
        reference=problem.answer or "",
        level=problem.level,
        source=problem.source,
        prompts=wording_of_rows(trace.settings),
        strategy=path.strategy,
        template=path.template,
        response=response.text,
        answer=response.answer,
        is_correct=bool(response.is_correct),
        critique=critique.text,
        reasoning=path.critique_reasoning,
        verdict=critique.final,
        first_error=critique.first_wrong_step,
        error_step=path.known.step,
        error_type=path.known.type,
        error_description=path.known.description,
        refinement=trial.refinement,
        refinements=trial.tried,
        refinements_without=trial.tried_without,
        right_with=trial.right_with,
        right_without=trial.right_without,
        actor=model_name(trace.settings["actor"]),
        annotator=model_name(trace.settings["annotator"]),
    )


def read_dataset(path: Path) -> Iterator[CritiqueRow]:
    """Give the rows of a data set, given a run folder, its `dataset` or the file itself.

    Raises:
        InputError: There is no data set, or a line is not a row.
    """
    file = find_dataset(path)
    if file is None:
        raise InputError(f"{path}: there is no data set here. Give a run folder of `generate`, or a {TRAIN}.")
    return read_records(file, CritiqueRow, f"a row of {ROW_SCHEMA}")


def find_dataset(path: Path) -> Path | None:
    """Find the file of a data set, given a run folder, its `dataset` or the file itself; None where there is none."""
    places = [path / TRAIN, path / "dataset" / TRAIN]
    return (
        path if path.is_file() and path.name != TRACES else next((place for place in places if place.is_file()), None)
    )


def write_dataset(folder: Path, rows: Iterable[CritiqueRow]) -> int:
    """Write rows into `folder`; gives their number."""
    folder.mkdir(parents=True, exist_ok=True)
    return write_json_lines(folder / TRAIN, rows)


def write_parquet(file: Path, rows: Iterable[CritiqueRow]) -> int:
    """Write rows as Parquet; gives their number.

    Raises:
        MissingDependencyError: pyarrow is not installed.
    """
    try:
        import pyarrow as arrow
        from pyarrow import parquet
    except ImportError as error:
        raise MissingDependencyError("pyarrow", extra="data", purpose="Writing Parquet files") from error
    rate = arrow.struct([(name, arrow.int64() if name == "n" else arrow.float64()) for name in Rate.model_fields])
    kinds = {int: arrow.int64(), bool: arrow.bool_(), Rate: rate}
    annotations = {name: field.annotation for name, field in CritiqueRow.model_fields.items()}
    annotations |= {name: field.return_type for name, field in CritiqueRow.model_computed_fields.items()}
    fields = [
        arrow.field(name, next((kinds[kind] for kind in kinds if _holds(kind, annotation)), arrow.string()))
        for name, annotation in annotations.items()
    ]
    count = 0
    partial = file.with_name(f".{file.name}.part")
    partial.unlink(missing_ok=True)  # of a process that was killed, or a link that was planted
    try:
        with parquet.ParquetWriter(partial, arrow.schema(fields)) as writer:
            for batch in _batched(rows, 1000):
                table = arrow.Table.from_pylist([row.model_dump(mode="json") for row in batch], writer.schema)
                writer.write_table(table)
                count += len(batch)
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)
    return count


def _holds(kind: type, annotation: Any) -> bool:
    """Tell whether a field's type is `kind`, or `kind` or None."""
    return annotation is kind or kind in get_args(annotation)


def _batched(rows: Iterable[CritiqueRow], size: int) -> Iterator[list[CritiqueRow]]:
    """Give the rows in lists of `size`, the last one shorter."""
    rows = iter(rows)
    while batch := list(islice(rows, size)):
        yield batch
