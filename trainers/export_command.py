"""`critique-graph export`: data of `generate` and `self-talk`, and traces of `run`, as files that trainers read."""

from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Annotated

from critique_graph.core.errors import InputError, MissingDependencyError
from critique_graph.core.json_lines import json_line
from critique_graph.core.settings import DATA, MODELS, OUTPUT
from critique_graph.output.terminal import Flag, log, print_json, print_json_lines
from critique_graph.trainers.export import ExportTask, Format, Source, export_rows, exported_records
from critique_graph.trainers.rows import TrainingRow

MASKS_SHOWN = 3


def export(
    run: Path | None = None,
    /,
    *,
    to: Annotated[Format, DATA],
    checkpoints: Annotated[str | None, DATA] = None,
    task: Annotated[ExportTask, DATA] = "critic",
    reasoning: Annotated[Flag, DATA] = False,
    model: Annotated[str | None, MODELS] = None,
    tokenizer: Annotated[str | None, MODELS] = None,
    out: Annotated[Path | None, OUTPUT] = None,
    check_mask: Annotated[Flag, OUTPUT] = False,
    json: Annotated[Flag, OUTPUT] = False,
) -> int:
    """Turn a data set of `generate` or `self-talk`, or traces of `run`, into files for trainers.

    Args:
        run: A run folder, a data set's file, a traces.jsonl, a file of released MathCritique data, or, for
            `--to prm`, a file with `steps` and `label` (the format of ProcessBench).
        to: Format to write: `trl`: prompts and completions as JSON lines; `llama-factory`, `axolotl`, `verl`,
            `openrlhf`: a folder with rows, configuration and command; `prm`: steps and whether each is correct;
            `mathcritique`: the format of the released data, wrong responses only, as a JSON list if the file's name
            ends in `.json`; `parquet`: the whole data set (the last two need a data set); `traces`: traces, for every
            program that reads the traces of a run.
        checkpoints: LangGraph checkpoints of an application that embeds the loop, instead of a run: a SQLite file or
            `postgresql://...`. Only finished threads are exported.
        task: Task that the rows teach: `critic`: to critique a response; `refiner`: to refine a wrong response with its
            critique; `actor`: to solve; `preference`: to prefer a correct refinement to the wrong response;
            `critic-preference`: to prefer a critique that helped to one that helped less (the two preferences need
            `--to trl`); `kto`: responses and refinements, each with whether it is correct; `critic-kto`: critiques,
            each with whether it agrees and helped; `step-critic`: to judge each step (the rows of `--to prm`);
            `self-talk`: to write a talk; `self-correction`: to write response, critique and refinement as one text;
            `grpo` and `critic-grpo`: prompts alone, of an actor and of a critic, with what their rewards need (`--to
            trl` or `verl`).
        reasoning: In rows for a critic, include the reasoning that was written before the critique. The reasoning of an
            annotator may mention its hints.
        out: File to write, or folder for another trainer; by default standard output, for formats of lines.
        model: Model from which training starts, for the configuration of another trainer: a name on the hub or a
            folder, with or without `hf:`. A folder's path is written as an absolute one.
        check_mask: Write nothing; print which tokens of the first rows are learned, and fail if these are not the
            completion. Needs `--tokenizer`.
        tokenizer: Name or path of the tokenizer for `--check-mask`.
        json: Print a summary of the export as one JSON object; needs `--out`.
    """
    if check_mask:
        return _check_masks(Source(run, checkpoints).answers(task, reasoning), tokenizer)
    if out is None:
        if json:
            raise InputError("--json needs --out: standard output holds the rows.")
        records = exported_records(Source(run, checkpoints), to, task, reasoning)
        print_json_lines(map(json_line, records))
        return 0
    done = export_rows(run, to=to, out=out, task=task, reasoning=reasoning, model=model, checkpoints=checkpoints)
    if json:
        print_json(done.model_dump(mode="json"))
        return 0
    how = "" if done.command is None else f"; train with: {done.command}"
    log.print(f"{done.rows} rows written: {done.out}{how}", soft_wrap=True)
    return 0


def _check_masks(rows: Iterable[TrainingRow], tokenizer: str | None) -> int:
    """Check all rows, and print the first few."""
    if tokenizer is None:
        raise InputError("--check-mask needs --tokenizer NAME_OR_PATH.")
    try:
        from critique_graph.engines.pretrained import load_tokenizer
        from critique_graph.trainers.masks import checked_masks, coloured
    except ImportError as error:
        raise MissingDependencyError(str(error.name), extra="train", purpose="--check-mask") from error
    checked = checked_masks(rows, load_tokenizer(tokenizer))
    count = 0
    for tokens in islice(checked, MASKS_SHOWN):
        log.print(coloured(tokens), "\n")
        count += 1
    count += sum(1 for _ in checked)
    if not count:
        raise InputError("there are no rows of this task to check.")
    log.print(f"{count} rows: exactly the completion and the end of its turn are learned")
    return 0
