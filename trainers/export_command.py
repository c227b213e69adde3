"""`critique-graph export`: data of `generate` and `self-talk`, and traces of `run`, as files that trainers read."""

import sys
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Annotated

from critique_graph.core.errors import InputError, MissingDependencyError
from critique_graph.core.json_lines import json_line
from critique_graph.core.settings import DATA, MODELS, OUTPUT
from critique_graph.output.terminal import Flag, log, print_json
from critique_graph.trainers.export import Format, Source, export_rows, exported_records
from critique_graph.trainers.rows import Task, TrainingRow

MASKS_SHOWN = 3


def export(
    run: Path | None = None,
    /,
    *,
    to: Annotated[Format, DATA],
    checkpoints: Annotated[str | None, DATA] = None,
    task: Annotated[Task, DATA] = "critic",
    reasoning: Annotated[Flag, DATA] = False,
    model: Annotated[str | None, MODELS] = None,
    tokenizer: Annotated[str | None, MODELS] = None,
    out: Annotated[Path | None, OUTPUT] = None,
    check_mask: Annotated[Flag, OUTPUT] = False,
    json: Annotated[Flag, OUTPUT] = False,
) -> int:
    """Turn a data set of `generate` or `self-talk`, or traces of `run`, into what trainers read.

    Args:
        run: A run folder, a data set's file, or a traces.jsonl.
        to: Format to write: `trl`: prompts and completions as JSON lines; `llama-factory`, `axolotl`, `verl`,
            `openrlhf`: a folder with rows, configuration and command; `prm`: steps and whether each is correct;
            `mathcritique`: the released data's records, of wrong responses; `parquet`: the data set as it is (these two
            take data sets alone); `traces`: the traces themselves, for everything that reads those of a run.
        checkpoints: Instead of a run: LangGraph checkpoints of an application that embeds the loop, a SQLite file or
            `postgresql://...`; its finished threads are taken.
        task: Task to learn: `critic`: to the critique; `refiner`: from a critique to a correct refinement; `actor`: to
            a correct answer; `preference`: to a correct refinement rather than the wrong response; `critic-preference`:
            to a critique that helped rather than another (these two `--to trl` alone); `step-critic`: to whether each
            step is correct (as `--to prm`); `self-talk`, `self-correction`: to a talk, or to response, critique and
            refinement as one text.
        reasoning: Learn what was written before a critique, too, where a critic is to be trained. An annotator's
            reasoning may speak of the hints.
        out: File to write, or folder for another trainer; by default standard output, where that can be.
        model: Model to begin with, for the configuration of another trainer.
        check_mask: Write nothing; print which tokens of the first rows are learned, and fail where that is not the
            completion. Needs `--tokenizer`.
        tokenizer: Name or path of the tokenizer to check with.
        json: Print what was written as one JSON object; needs `--out`.
    """
    if check_mask:
        return _check_masks(Source(run, checkpoints).answers(task, reasoning), tokenizer)
    if out is None:
        if json:
            raise InputError("--json needs --out: standard output holds the rows.")
        records = exported_records(Source(run, checkpoints), to, task, reasoning)
        sys.stdout.buffer.writelines(map(json_line, records))
        return 0
    done = export_rows(run, to=to, out=out, task=task, reasoning=reasoning, model=model, checkpoints=checkpoints)
    if json:
        print_json(done.model_dump(mode="json"))
        return 0
    how = "" if done.command is None else f"; train with: {done.command}"
    log.print(f"{done.rows} rows written: {done.out}{how}", markup=False, soft_wrap=True)
    return 0


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
