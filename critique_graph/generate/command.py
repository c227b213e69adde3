"""`critique-graph generate | show`: critique data made, and read."""

import time
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number
from langchain_core.language_models import BaseChatModel

from critique_graph.calls.caller import can_continue
from critique_graph.generate.dataset import read_dataset
from critique_graph.generate.estimate import guessed, in_words, projected
from critique_graph.generate.make import Makers, first_annotation, generate_data
from critique_graph.generate.progress import DataProgress
from critique_graph.generate.settings import GenerateSettings
from critique_graph.generate.show import drawn, shown
from critique_graph.generate.table import generation_line, generation_table, quality_table
from critique_graph.models.load import load_model
from critique_graph.models.servers import check_server
from critique_graph.output.terminal import Flag, log, plain, print_json, stdout
from critique_graph.problems.training import training_problems


def generate(
    problems: str | None = None,
    /,
    *,
    settings: Annotated[GenerateSettings, Parameter(name="*")] = GenerateSettings(),  # noqa: B008 - frozen
    out: Path | None = None,
    fresh: Flag = False,
    preview: Annotated[int | None, Parameter(validator=Number(gte=1))] = None,
    dry_run: Flag = False,
    json: Flag = False,
    quiet: Flag = False,
) -> int:
    """Make a critique data set (AutoMathCritique): flawed paths, critiques, and a filter that keeps what helps.

    Every problem needs its reference answer. The data set is in the run's folder, under `dataset`. The same command
    again resumes.

    Args:
        problems: `miniature` (the default), a JSONL, JSON, CSV or Parquet file, or `hf:owner/name[:config[:split]]`.
        out: The run's folder; by default a new one under `runs/`.
        fresh: Start over in a folder that holds a run.
        preview: Stop after so many problems, and print an annotator's prompt, what was kept, and what all problems
            would cost at this rate; the same command without it goes on from there.
        dry_run: Call no model and write nothing; print a guess of how many calls and tokens it takes.
        json: Print the summary as one JSON object.
        quiet: No progress.
    """
    if problems is not None:
        settings = settings.model_copy(update={"problems": problems})
    to_do = training_problems(settings)
    if dry_run:
        cost = guessed(settings, next(iter(to_do.read())), to_do.total, corruptor=settings.corruptor)
        if json:
            print_json(cost.model_dump(mode="json"))
        else:
            stdout.print(plain(f"a guess, {in_words(cost)} (--preview 3 measures it)"))
        return 0
    total = to_do.total
    if preview is not None:
        settings = settings.model_copy(update={"limit": preview})
        to_do = training_problems(settings)
    makers = load_makers(settings)
    if not can_continue(makers.actor) and {"rg2", "rg3"} & set(settings.strategies):
        log.print(plain(f"{settings.actor} cannot continue a message of its own: no rg2, no rg3"), style="yellow")
    folder = out or Path("runs") / f"data-{time.strftime('%Y%m%d-%H%M%S')}"
    progress = DataProgress(console=log, quiet=quiet)
    end, summary = generate_data(to_do, makers, folder, settings, fresh=fresh, progress=progress)
    if preview is not None:
        if (prompt := first_annotation(folder, settings)) is not None:
            log.print(plain(prompt), style="dim")
        for row in read_dataset(folder):
            log.print(shown(row))
        if (all_of_them := projected(summary, total)) is not None:
            log.print(plain(f"at this rate, {in_words(all_of_them)}"), style="bold")
    if json:
        print_json(summary.model_dump(mode="json", by_alias=True))
    else:
        stdout.print(generation_table(summary))
        stdout.print(quality_table(summary))
        stdout.print(plain(generation_line(summary)))
    if end.reason:
        log.print(plain(f"critique-graph: stopped early: {end.reason}"), style="red")
    return end.exit_code(failed=summary.failed + summary.quarantined)


def show(
    run: Path, /, *, count: Annotated[int, Parameter(alias="-n", validator=Number(gte=0))] = 20, seed: int = 0
) -> int:
    """Print records of a data set of `generate`, drawn at random, for people to read.

    Args:
        run: A run folder, or a data set's file.
        count: How many.
        seed: Draws them.
    """
    for row in drawn(read_dataset(run), count, seed=seed):
        stdout.print(shown(row))
    return 0


def load_makers(settings: GenerateSettings) -> Makers:
    """Load the models of a verb that makes data.

    Raises:
        InputError: a model string names none, or a server that was named does not answer.
        MissingDependencyError: a model needs an extra that is not installed.
    """
    other_url = settings.annotator_base_url or settings.base_url
    for url in {settings.base_url, other_url} - {None}:
        check_server(str(url))

    def load(spec: str, url: str | None) -> BaseChatModel:
        return load_model(spec, base_url=url if spec.startswith("openai:") else None)

    return Makers(
        actor=load(settings.actor, settings.base_url),
        annotator=load(settings.annotator, other_url),
        corruptor=settings.corruptor if settings.corruptor == "exact" else load(settings.corruptor, other_url),
    )
