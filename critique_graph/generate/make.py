"""Makes a critique data set: runs the graph over a problem set, and writes the kept critiques and a card."""

import logging
from collections import Counter
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from langgraph.graph.state import CompiledStateGraph

from critique_graph.calls.caller import CallLog, can_continue
from critique_graph.calls.players import EXACT
from critique_graph.core.async_node import wait_for
from critique_graph.core.context import GenerationContext
from critique_graph.core.errors import one_line
from critique_graph.core.files import DATASET
from critique_graph.core.paths import PathSource
from critique_graph.generate.card import write_card
from critique_graph.generate.dataset import dataset_rows, write_dataset
from critique_graph.generate.funnel import (
    PATHS_SCHEMA,
    GenerationSummary,
    count_kept,
    read_paths_traces,
    summarise_paths,
)
from critique_graph.generate.progress import DataProgress
from critique_graph.generate.quota import has_enough, quotas, read_ratio, selected
from critique_graph.generate.settings import GenerateSettings
from critique_graph.graphs.auto_critique import create_auto_critique
from critique_graph.graphs.prompts import data_prompts, prompts_hash
from critique_graph.nodes.annotate import annotate_messages
from critique_graph.problems.problem_set import Problems, find_training_problems
from critique_graph.runs.drive import run_graph
from critique_graph.runs.folder import JOURNAL
from critique_graph.runs.journal import read_journal
from critique_graph.runs.outcomes import Outcome, outcome_of_parts
from critique_graph.runs.record import FinishedRun
from critique_graph.verbs.job import prepare_problems
from critique_graph.verbs.output import run_folder

logger = logging.getLogger(__name__)


def generate_data(
    problems: Problems = "miniature",
    *,
    out: Path | str | None = None,
    fresh: bool = False,
    progress: DataProgress | None = None,
    **settings: Any,
) -> GenerationSummary:
    """Make a critique data set (AutoMathCritique); the same call again resumes. `critique-graph generate` calls it.

    The data set is in the run's folder, under `dataset`.

    Example:
        >>> summary = generate_data("problems.jsonl", actor="hf:PATH", annotator="openai:NAME", out="runs/data")
        >>> summary.kept_by_strategy

    Args:
        problems: `miniature`, a file, `hf:owner/name[:config[:split]]`, or the problems themselves, with reference
            answers.
        out: Folder of the run; by default a new one under `runs/`.
        fresh: Start over in a folder that holds a run.
        progress: Shows how the run goes; nothing by default.
        settings: Fields of `GenerateSettings`; models are strings or chat models.

    Raises:
        CritiqueGraphError: Bad input, or a folder that cannot be written; nothing finished before is lost.
        pydantic.ValidationError: A setting is unknown or out of its range.
    """
    job = prepare_problems(GenerateSettings, problems, settings, find_training_problems)
    chosen, folder = job.settings, run_folder(out, "data")
    if not can_continue(job.models["actor"]) and {"rg2", "rg3"} & set(chosen.strategies):
        logger.warning("%s cannot continue a message of its own: no rg2, no rg3", chosen.actor)
    if "rg3" in chosen.strategies and str(chosen.corruptor) == EXACT and not chosen.task.is_arithmetic:
        logger.warning(
            "task %s: exact inserts errors into equations alone: no rg3 without --corruptor MODEL", chosen.task.name
        )
    if chosen.from_solutions and not any(problem.solution for problem in islice(job.problems.read(), 100)):
        logger.warning("%s: no worked solutions found, so from_solutions changes nothing", chosen.problems)
    shares, kept = read_ratio(chosen.ratio), Counter[PathSource]()

    def create(journal: CallLog) -> CompiledStateGraph[Any, Any, Any, Any]:
        kept.update(count_kept(folder / JOURNAL))
        graph = create_auto_critique(
            **job.models, **GenerationContext.keywords(chosen), prompts=chosen.prompts, task=chosen.task, log=journal
        )
        return graph.compile(name="auto_critique")

    def warn_about(result: Mapping[str, Any]) -> str | None:
        kept.update(path["strategy"] for path in result["paths"] if path["drop"] is None)
        return unreadable_annotator(result)

    def summarise(run: FinishedRun) -> GenerationSummary:
        quota = quotas(count_kept(folder / JOURNAL), shares, chosen.target)
        rows = selected(dataset_rows(read_paths_traces(run.rows())), quota, shares)
        written = write_dataset(folder / DATASET, rows)
        summary = summarise_paths(run, dataset=str(folder / DATASET), dataset_rows=written)
        write_card(folder / DATASET, summary, chosen.recorded(), chosen.prompts)
        return summary

    return wait_for(
        run_graph(
            create,
            job.problems,
            folder,
            chosen.recorded(),
            summarise,
            prompts=prompts_hash(data_prompts(chosen.prompts)),
            fresh=fresh,
            concurrency=chosen.concurrency,
            patience=chosen.patience,
            limits=chosen.limits,
            prices=chosen.prices,
            progress=progress or DataProgress(quiet=True),
            outcome_of=outcome_of_paths,
            warn_about=warn_about,
            stop_when=lambda: has_enough(kept, shares, chosen.target),
            schema=PATHS_SCHEMA,
        )
    )


def first_annotation(folder: Path, settings: GenerateSettings) -> str | None:
    """Give the first prompt that an annotator got in a run; None when there was none."""
    for trace in read_paths_traces(read_journal(folder / JOURNAL)):
        for path in trace.paths:
            if path.critique is not None:
                reference = str(trace.problem.answer)
                messages = annotate_messages(
                    trace.problem.question,
                    path,
                    reference,
                    until=settings.annotate_until,
                    prompts=settings.prompts,
                )
                return messages[-1].text
    return None


def outcome_of_paths(result: Mapping[str, Any]) -> Outcome:
    """Judge a result of the graph that makes critique data by the failures of its paths."""
    return outcome_of_parts(result["paths"])


def unreadable_annotator(result: Mapping[str, Any]) -> str | None:
    """Give a warning, with the first critique, if all critiques of a problem are unreadable (in another format)."""
    critiques = [path["critique"]["text"] for path in result["paths"] if path["critique"] is not None]
    drops = [path["drop"] for path in result["paths"] if path["critique"] is not None]
    if critiques and all(drop is not None and drop["reason"] == "unreadable" for drop in drops):
        return f"by critiques that cannot be read: {one_line(critiques[0], limit=300)!r}"
    return None
