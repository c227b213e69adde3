"""Makes a critique data set: drives the graph over a problem set, and writes what was kept with a card."""

import asyncio
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from langchain_core.language_models import BaseChatModel

from critique_graph.calls.settings import GenerateSettings, TrainingProblemSettings
from critique_graph.core.errors import InputError
from critique_graph.core.schema import Problem
from critique_graph.core.state import GenerationContext
from critique_graph.generate.dataset import dataset_rows, write_dataset
from critique_graph.generate.funnel import (
    PATHS_SCHEMA,
    GenerationSummary,
    count_kept,
    read_paths_traces,
    summarise_paths,
)
from critique_graph.generate.quota import is_enough, quotas, read_ratio, selected
from critique_graph.graphs.auto_critique import create_auto_critique
from critique_graph.graphs.prompts import data_prompts, prompts_hash
from critique_graph.nodes.annotate import annotate_messages
from critique_graph.output.cards import write_card
from critique_graph.problems.load import load_problems
from critique_graph.problems.near_copies import Overlap
from critique_graph.runs.drive import SessionEnd, drive
from critique_graph.runs.folder import JOURNAL, open_run
from critique_graph.runs.journal import read_journal
from critique_graph.runs.outcomes import outcome_of_paths, unreadable_annotator
from critique_graph.runs.progress import DataProgress

DATASET = "dataset"
_TEST_SPLIT = re.compile(r"hf:.*:.*:test")
_GRAPH_FIELDS = set(GenerationContext.model_fields) - {"actor", "annotator", "corruptor"}


@dataclass(frozen=True)
class Makers:
    """The models that make data."""

    actor: BaseChatModel
    annotator: BaseChatModel
    corruptor: str | BaseChatModel
    """A model, or `exact`."""


@dataclass(frozen=True)
class TrainingProblems:
    """Problems to make data from."""

    read: Callable[[], Iterable[Problem]]
    """Gives them, as often as it is called."""
    total: int | None
    """None where that is not known before."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Near copies, by reason."""


def training_problems(settings: TrainingProblemSettings) -> TrainingProblems:
    """Find the problems that settings ask for; bad rows are found now, before any call.

    Raises:
        InputError: The set cannot be used, is one for tests, or has a problem without reference answer.
        MissingDependencyError: Something needs the extra `data`.
    """
    refuse_test_split(settings.problems)

    def read() -> Iterator[Problem]:
        found = load_problems(
            settings.problems,
            question_field=settings.question_field,
            answer_field=settings.answer_field,
            limit=settings.problem_limit,
            seed=settings.seed,
            split="train",
        )
        for problem in found:
            if problem.answer is None:
                raise InputError(f"problem {problem.id!r} has no reference answer; generation needs one.")
            yield problem

    if settings.exclude or settings.distinct:
        overlap = Overlap(problem for spec in settings.exclude for problem in load_problems(spec))
        fitting = list(overlap.distinct(read(), repeated=settings.distinct))
        return TrainingProblems(lambda: fitting, len(fitting), overlap.left_out)
    return TrainingProblems(read, None if settings.problems.startswith("hf:") else sum(1 for _ in read()))


def refuse_test_split(spec: str) -> None:
    """Raise `InputError` if a set of problems to learn from is named as a split for tests."""
    if _TEST_SPLIT.fullmatch(spec):
        raise InputError(f"{spec}: a test split makes no training data; name the one for training.")


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
