"""The data set that `critique-graph generate` leaves: rows as JSON lines, and a card that says how they were made."""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, get_args

import orjson
import yaml

from critique_graph.atomic import write_atomically
from critique_graph.errors import InputError, MissingDependencyError
from critique_graph.funnel import GenerationSummary, PathsTrace
from critique_graph.nodes.paths import is_right
from critique_graph.schema import STAGES, STRATEGIES, FlawedPath, Record, Strategy, Verdict
from critique_graph.summary_table import percent

ROW_SCHEMA = "critique-graph.critique/1"
TRAIN, CARD = "train.jsonl", "README.md"


class CritiqueRow(Record):
    """One critique that was kept, with what it is about and why it was kept (format `critique-graph.critique/1`)."""

    id: str
    """The problem's id and the path's name."""
    question: str
    reference: str
    level: int | None
    source: str | None
    strategy: Strategy
    response: str
    answer: str | None
    is_correct: bool
    """Whether the answer is the reference's; the critique's verdict always agrees with it."""
    critique: str
    """In the field's format."""
    verdict: Verdict
    first_error: int | None
    """0-based index of the response's first wrong step, as the critique says."""
    error_step: int | None
    """The same as it is known from the way the path was made; null where it is not."""
    error_type: str | None
    error_description: str | None
    refinement: str | None
    """The first right refinement with the critique."""
    refinements: int
    """Refinements tried with the critique, and as many without (none without, of a right response)."""
    right_with: int
    right_without: int
    actor: str
    annotator: str


def dataset_rows(traces: Iterable[PathsTrace]) -> Iterator[CritiqueRow]:
    """Give the rows of what was kept, in the order of problems and paths."""
    for trace in traces:
        for path in trace.paths:
            if path.drop is None:
                yield _row(trace, path)


def _row(trace: PathsTrace, path: FlawedPath) -> CritiqueRow:
    problem, response, critique, trial = trace.problem, path.response, path.critique, path.trial
    assert response is not None
    assert critique is not None
    assert critique.final is not None
    assert trial is not None
    return CritiqueRow(
        id=f"{problem.id}/{path.name}",
        question=problem.question,
        reference=problem.answer or "",
        level=problem.level,
        source=problem.source,
        strategy=path.strategy,
        response=response.text,
        answer=response.answer,
        is_correct=is_right(response),
        critique=critique.text,
        verdict=critique.final,
        first_error=critique.first_wrong_step,
        error_step=path.known.step,
        error_type=path.known.type,
        error_description=path.known.description,
        refinement=trial.refinement,
        refinements=trial.tried,
        right_with=trial.right_with,
        right_without=trial.right_without,
        actor=str(trace.settings["actor"]),
        annotator=str(trace.settings["annotator"]),
    )


def read_dataset(path: Path) -> Iterator[CritiqueRow]:
    """Give the rows of a data set: of a run folder, its `dataset`, or the file itself.

    Raises:
        InputError: There is none, or a line is not a row.
    """
    places = [path, path / TRAIN, path / "dataset" / TRAIN]
    file = next((place for place in places if place.is_file()), None)
    if file is None:
        raise InputError(f"{path}: there is no data set here. Give a run folder of `generate`, or a {TRAIN}.")
    return _read_lines(file)


def _read_lines(file: Path) -> Iterator[CritiqueRow]:
    with file.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                yield CritiqueRow.model_validate_json(line)
            except ValueError as error:
                raise InputError(f"{file}, line {number} is not a row of {ROW_SCHEMA}.") from error


def write_dataset(folder: Path, rows: Iterable[CritiqueRow]) -> int:
    """Write rows into `folder`; gives how many."""
    folder.mkdir(parents=True, exist_ok=True)
    count = 0

    def lines() -> Iterator[bytes]:
        nonlocal count
        for row in rows:
            count += 1
            yield orjson.dumps(row.model_dump(mode="json")) + b"\n"

    write_atomically(folder / TRAIN, lines())
    return count


def write_parquet(file: Path, rows: Iterable[CritiqueRow]) -> int:
    """Write rows as Parquet; gives how many.

    Raises:
        MissingDependencyError: pyarrow is not installed.
    """
    try:
        import pyarrow as arrow
        from pyarrow import parquet
    except ImportError as error:
        raise MissingDependencyError("pyarrow", extra="data", purpose="Writing Parquet files") from error
    kinds = {int: arrow.int64(), bool: arrow.bool_()}
    fields = [
        arrow.field(name, next((kinds[kind] for kind in kinds if _holds(kind, field.annotation)), arrow.string()))
        for name, field in CritiqueRow.model_fields.items()
    ]
    count = 0
    partial = file.with_name(f".{file.name}.part")
    with parquet.ParquetWriter(partial, arrow.schema(fields)) as writer:
        for batch in _batched(rows, 1000):
            writer.write_table(arrow.Table.from_pylist([row.model_dump(mode="json") for row in batch], writer.schema))
            count += len(batch)
    partial.replace(file)
    return count


def _holds(kind: type, annotation: Any) -> bool:
    """Whether a field is of a kind, or that or nothing."""
    return annotation is kind or kind in get_args(annotation)


def _batched(rows: Iterable[CritiqueRow], size: int) -> Iterator[list[CritiqueRow]]:
    """Give the rows in lists of `size`, the last one shorter."""
    rows = iter(rows)
    while batch := list(islice(rows, size)):
        yield batch


def write_card(folder: Path, summary: GenerationSummary, settings: dict[str, Any], prompts: str) -> None:
    """Write the data card; its YAML header is the hub's."""
    header = {
        "pretty_name": "Step-level critiques",
        "task_categories": ["text-generation"],
        "tags": ["math", "critique", "critique-graph"],
        "configs": [{"config_name": "default", "data_files": [{"split": "train", "path": TRAIN}]}],
        "size_categories": [_size(summary.rows)],
    }
    stages = "\n".join(
        f"| {stage} | {strategy} | {passage.in_} | {passage.out} | "
        + (", ".join(f"{count} {reason}" for reason, count in passage.dropped.items()) or "-")
        + " |"
        for stage in STAGES
        for strategy, passage in summary.funnel[stage].items()
    )
    kept = ", ".join(f"{summary.kept_by_strategy[strategy]} {strategy}" for strategy in STRATEGIES)
    card = f"""---
{yaml.safe_dump(header, sort_keys=False)}---
# Step-level critiques of {summary.done} problems

{summary.rows} critiques, of {summary.kept} that were kept ({kept}), made by `critique-graph generate` from
{settings["problems"]}.
Every verdict agrees with the reference answer. Critiques of wrong answers were kept because the actor's refinements
with them came out right, and more often than without them; those of right answers because refinements stay right.

- Actor: {settings["actor"]}. Annotator: {settings["annotator"]}. Errors of rg3 inserted by: {settings["corruptor"]}.
- Seed {settings["seed"]}; prompts {prompts}; {summary.tokens["total"]:,} tokens, {summary.seconds:.0f} s.
- Refinements with a critique came out right in {percent(summary.right_with)}, without in
  {percent(summary.right_without)} (n = {summary.right_with.n} each, of all flawed paths, each tried until its case was
  clear; the intervals take the refinements of a path for independent).
- Critiques found the error where it is known to be in {percent(summary.located)} (n = {summary.located.n}).

## Funnel

| stage | strategy | in | out | dropped |
|---|---|---|---|---|
{stages}

## Fields

One JSON object a line, `{ROW_SCHEMA}`: `{" ".join(CritiqueRow.model_fields)}`.

The method is that of "Enhancing LLM Reasoning via Critique Models with Test-Time and Training-Time Supervision" (arXiv
2411.16579). The problems keep the licence of their source.
"""
    write_atomically(folder / CARD, [card.encode()])


def _size(rows: int) -> str:
    """Give the hub's size category."""
    for most, name in ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M")):
        if rows < most:
            return name
    return "1M<n<10M"
