"""`critique-graph export`: data of `generate` and traces of `run` as files that trainers read."""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal, cast

from critique_graph.core.errors import InputError, MissingDependencyError
from critique_graph.core.json_lines import json_line, write_json_lines
from critique_graph.core.schema import Trace
from critique_graph.generate.dataset import CritiqueRow, read_dataset, write_parquet
from critique_graph.output.terminal import Flag, log
from critique_graph.runs.checkpoints import read_checkpoints
from critique_graph.runs.traces import read_traces
from critique_graph.trainers.candidates import Candidate, read_candidates, trace_candidates
from critique_graph.trainers.mathcritique import examples, write_example
from critique_graph.trainers.other_trainers import write_export
from critique_graph.trainers.rows import PREFERENCES, PreferenceRow, Task, TrainingRow

Format = Literal["trl", "llama-factory", "axolotl", "verl", "openrlhf", "prm", "mathcritique", "parquet", "traces"]

MASKS_SHOWN = 3


def export(
    run: Path | None = None,
    /,
    *,
    to: Format,
    checkpoints: str | None = None,
    task: Task = "critic",
    reasoning: Flag = False,
    out: Path | None = None,
    model: str | None = None,
    check_mask: Flag = False,
    tokenizer: str | None = None,
) -> int:
    """Turn a data set of `generate` or `self-talk`, or traces of `run`, into what trainers read.

    Args:
        run: A run folder, a data set's file, or a traces.jsonl.
        to: `trl`: prompts and completions as JSON lines; `llama-factory`, `axolotl`, `verl`, `openrlhf`: a folder with
            rows, configuration and command; `prm`: steps and whether each is right; `mathcritique`: the released
            data's records, of wrong responses; `parquet`: the data set as it is (these two take data sets alone);
            `traces`: the traces themselves, for everything that reads those of a run.
        checkpoints: Instead of a run: LangGraph checkpoints of an application that embeds the loop, a SQLite file or
            `postgresql://...`; its finished threads are taken.
        task: `critic`: to the critique; `refiner`: from a critique to a right refinement; `actor`: to a right answer;
            `preference`: to a right refinement rather than the wrong response; `critic-preference`: to a critique that
            helped rather than another (these two `--to trl` alone); `step-critic`: to whether each step is right (as
            `--to prm`); `self-talk`, `self-correction`: to a talk, or to response, critique and refinement as one text.
        reasoning: Of `critic`: learn what was written before the critique, too. An annotator's reasoning may speak of
            the hints.
        out: Write here; by default to standard output, where that can be.
        model: The model to begin with, for the configuration of another trainer.
        check_mask: Write nothing; print which tokens of the first rows are learned, and fail where that is not the
            completion. Needs `--tokenizer`.
        tokenizer: Name or path of the tokenizer to check with.
    """
    source = _Source(run, checkpoints)
    if check_mask:
        return _check_masks(source.answers(task, reasoning), tokenizer)
    records: Iterable[Any]
    match to:
        case "llama-factory" | "axolotl" | "verl" | "openrlhf":
            if out is None or model is None:
                raise InputError(f"--to {to} needs --out FOLDER and --model NAME_OR_PATH.")
            count, command = write_export(to, source.rows(task, reasoning), out, model=model)
            log.print(f"{count} rows written: {out}; train with: {command}", markup=False, soft_wrap=True)
            return 0
        case "parquet":
            if out is None:
                raise InputError("--to parquet needs --out FILE.parquet.")
            log.print(f"{write_parquet(out, source.dataset())} rows written: {out}", markup=False)
            return 0
        case "mathcritique":
            records = map(write_example, examples(source.dataset()))
        case "prm":
            records = (candidate.row for candidate in source.candidates("step-critic"))
        case "trl":
            records = (candidate.row for candidate in source.candidates(task, reasoning))
        case "traces":
            records = source.traces()
    if out is None:
        sys.stdout.buffer.writelines(map(json_line, records))
    else:
        written = write_json_lines(out, records)
        log.print(f"{written} rows written: {out}", markup=False)
    return 0


@dataclass(frozen=True)
class _Source:
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


def _check_masks(rows: Iterable[TrainingRow], tokenizer: str | None) -> int:
    """Check all rows, and print the first."""
    if tokenizer is None:
        raise InputError("--check-mask needs --tokenizer NAME_OR_PATH.")
    try:
        from transformers import AutoTokenizer

        from critique_graph.trainers.masks import checked_masks, coloured
    except ImportError as error:
        raise MissingDependencyError(str(error.name), extra="train", purpose="--check-mask") from error
    checked = checked_masks(rows, AutoTokenizer.from_pretrained(tokenizer))
    count = 0
    for tokens in islice(checked, MASKS_SHOWN):
        log.print(coloured(tokens), "\n")
        count += 1
    count += sum(1 for _ in checked)
    if not count:
        raise InputError("there are no rows of this task to check.")
    log.print(f"{count} rows: what is learned is the completion and the end of its turn", markup=False)
    return 0
