"""Makes a critique data set: drives the graph over a problem set, and writes what was kept with a card."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from langchain_core.language_models import BaseChatModel

from critique_graph.core.context import GenerationContext
from critique_graph.core.errors import one_line
from critique_graph.core.files import DATASET
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
from critique_graph.generate.quota import is_enough, quotas, read_ratio, selected
from critique_graph.generate.settings import GenerateSettings
from critique_graph.graphs.auto_critique import create_auto_critique
from critique_graph.graphs.prompts import data_prompts, prompts_hash
from critique_graph.nodes.annotate import annotate_messages
from critique_graph.problems.training import TrainingProblems
from critique_graph.runs.drive import SessionEnd, drive
from critique_graph.runs.folder import JOURNAL, open_run
from critique_graph.runs.journal import read_journal
from critique_graph.runs.outcomes import Outcome, _outcome_of_parts

_GRAPH_FIELDS = set(GenerationContext.model_fields) - {"actor", "annotator", "corruptor"}


@dataclass(frozen=True)
class Makers:
    """The models that make data."""

    actor: BaseChatModel
    annotator: BaseChatModel
    corruptor: str | BaseChatModel
    """A model, or `exact`."""


def generate_data(
    problems: TrainingProblems,
    makers: Makers,
    folder: Path,
    settings: GenerateSettings,
    *,
    fresh: bool = False,
    progress: DataProgress | None = None,
) -> tuple[SessionEnd, GenerationSummary]:
    """Make data in a run's folder, or go on with it; the data set is in its `DATASET`.

    Raises:
        CritiqueGraphError: Bad input, or a folder that cannot be written; nothing finished before is lost.
    """
    recorded = settings.model_dump(mode="json") | {"limit": settings.problem_limit}
    shares = read_ratio(settings.ratio)
    journal = folder / JOURNAL
    with open_run(folder, recorded, prompts=prompts_hash(data_prompts()), fresh=fresh) as run:
        graph = create_auto_critique(
            makers.actor,
            makers.annotator,
            makers.corruptor,
            log=run.journal,
            **settings.model_dump(include=_GRAPH_FIELDS),
        ).compile(name="auto_critique")
        kept = count_kept(journal)

        def watch(result: Mapping[str, Any]) -> str | None:
            kept.update(path["strategy"] for path in result["paths"] if path["drop"] is None)
            return unreadable_annotator(result)

        end = asyncio.run(
            drive(
                graph,
                problems.read(),
                run,
                settings=recorded,
                total=problems.total,
                concurrency=settings.concurrency,
                progress=progress or DataProgress(quiet=True),
                judge=outcome_of_paths,
                suspect=watch,
                is_enough=lambda: is_enough(kept, shares, settings.target),
                schema=PATHS_SCHEMA,
            )
        )
        quota = quotas(count_kept(journal), shares, settings.target)
        rows = selected(dataset_rows(read_paths_traces(read_journal(journal))), quota, shares)
        summary = summarise_paths(
            read_journal(journal),
            run=str(folder),
            dataset=str(folder / DATASET),
            dataset_rows=write_dataset(folder / DATASET, rows),
            left_out=problems.left_out,
            seconds=run.journal.seconds(),
            total=problems.total,
        )
        write_card(folder / DATASET, summary, recorded, data_prompts())
        outcomes = {name: getattr(summary, name) for name in ("done", "failed", "quarantined", "pending")}
        run.write_manifest(end.state, reason=end.reason, outcomes=outcomes, tokens=summary.tokens)
    return end, summary


def first_annotation(folder: Path, settings: GenerateSettings) -> str | None:
    """Give the first prompt an annotator got in a run; None when there was none."""
    for trace in read_paths_traces(read_journal(folder / JOURNAL)):
        for path in trace.paths:
            if path.critique is not None:
                reference = str(trace.problem.answer)
                messages = annotate_messages(trace.problem.question, path, reference, until=settings.annotate_until)
                return messages[-1].text
    return None


def outcome_of_paths(result: Mapping[str, Any]) -> Outcome:
    """Judge a result of the graphs that make data: a path that was refused is dropped, one that was cut off retried."""
    return _outcome_of_parts(result["paths"])


def unreadable_annotator(result: Mapping[str, Any]) -> str | None:
    """Say so if every critique of a problem is unreadable, with the first of them: the annotator knows no format."""
    critiques = [path["critique"]["text"] for path in result["paths"] if path["critique"] is not None]
    drops = [path["drop"] for path in result["paths"] if path["critique"] is not None]
    if critiques and all(drop is not None and drop["reason"] == "unreadable" for drop in drops):
        return f"by critiques that cannot be read: {one_line(critiques[0], limit=300)!r}"
    return None
