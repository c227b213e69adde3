"""`critique-graph generate | show`: make critique data, and print it."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from critique_graph.core.settings import OUTPUT
from critique_graph.generate.dataset import read_dataset
from critique_graph.generate.estimate import guessed, in_words, projected
from critique_graph.generate.make import first_annotation, generate_data
from critique_graph.generate.mathcritique import examples, write_mathcritique
from critique_graph.generate.progress import DataProgress
from critique_graph.generate.settings import GenerateSettings
from critique_graph.generate.show import drawn, read_shown, shown
from critique_graph.generate.table import generation_line, generation_table, quality_table
from critique_graph.output.terminal import Flag, log, plain, print_json, stdout
from critique_graph.problems.problem_set import find_training_problems
from critique_graph.verbs.output import RunOutput


def generate(
    problems: str | None = None,
    /,
    *,
    settings: Annotated[GenerateSettings, Parameter(name="*")] = GenerateSettings(),  # noqa: B008 - frozen
    output: Annotated[RunOutput, Parameter(name="*")] = RunOutput(),  # noqa: B008 - frozen
    preview: Annotated[int | None, Parameter(validator=Number(gte=1)), OUTPUT] = None,
    dry_run: Annotated[Flag, OUTPUT] = False,
    to: Annotated[Literal["mathcritique"] | None, OUTPUT] = None,
) -> int:
    """Make a critique data set (AutoMathCritique): flawed paths, critiques, and a filter that keeps those that help.

    Every problem needs its reference answer. The data set is in the run's folder, under `dataset`. The same command
    again resumes.

    Args:
        problems: `miniature` (the default), a JSONL, JSON, CSV or Parquet file, or `hf:owner/name[:config[:split]]`.
        preview: Stop after this number of problems, and print an annotator's prompt, the critiques that were kept, and
            what all problems would cost at this rate; the same command without it resumes from there.
        dry_run: Call no model and write nothing; print an estimate of the calls and tokens that the run needs.
        to: A further format in which the kept critiques of wrong responses are written: `mathcritique`, the format of
            the released data, into `mathcritique.json` in the run's folder.
    """
    settings = GenerateSettings(**settings.naming(problems))
    if dry_run:
        to_do = find_training_problems(settings)
        cost = guessed(
            settings,
            next(iter(to_do.read())),
            to_do.total,
            corruptor=settings.corruptor.model,
            prompts=settings.prompts,
        )
        if output.json:
            print_json(cost.model_dump(mode="json"))
        else:
            stdout.print(plain(f"a guess, {in_words(cost)} (--preview 3 measures it)"))
        return 0
    limit = {} if preview is None else {"limit": preview}
    found = generate_data(**{**dict(settings), **limit}, **output.keywords(), progress=output.progress(DataProgress))
    if to is not None:
        folder = Path(found.run)
        written = write_mathcritique(folder / "mathcritique.json", examples(read_dataset(folder)))
        log.print(plain(f"{written} records: {folder / 'mathcritique.json'}"), soft_wrap=True)
    if preview is not None:
        folder = Path(found.run)
        if (prompt := first_annotation(folder, settings)) is not None:
            log.print(plain(prompt), style="dim")
        for row in read_dataset(folder):
            log.print(shown(row))
        if (all_of_them := projected(found, find_training_problems(settings).total)) is not None:
            log.print(plain(f"at this rate, {in_words(all_of_them)}"), style="bold")
    return output.show(found, [generation_table(found), quality_table(found), plain(generation_line(found))])


def show(
    run: Path, /, *, count: Annotated[int, Parameter(alias="-n", validator=Number(gte=0))] = 20, seed: int = 0
) -> int:
    """Print records of a data set of `generate`, or of released data, drawn at random, for people to read.

    Args:
        run: A run folder, a data set's file, or a file of released MathCritique data.
        count: Number of records to print.
        seed: Seed by which the records are drawn.
    """
    for row in drawn(read_shown(run), count, seed=seed):
        stdout.print(shown(row))
    return 0
