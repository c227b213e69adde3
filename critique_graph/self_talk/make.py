"""Makes self-talk data: drives the graph over a problem set, and writes what was kept."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from langchain_core.language_models import BaseChatModel

from critique_graph.calls.settings import SelfTalkSettings
from critique_graph.core.splice import TALKS_SCHEMA
from critique_graph.core.state import SelfTalkContext
from critique_graph.generate.make import DATASET, TrainingProblems
from critique_graph.graphs.prompts import prompts_hash, talk_prompts
from critique_graph.graphs.self_talk import create_self_talk
from critique_graph.runs.drive import SessionEnd, drive
from critique_graph.runs.folder import JOURNAL, open_run
from critique_graph.runs.journal import read_journal
from critique_graph.runs.outcomes import outcome_of_talks, unreadable_critic
from critique_graph.runs.progress import TalkProgress
from critique_graph.self_talk.card import write_talk_card
from critique_graph.self_talk.dataset import (
    TALKS,
    TalkSummary,
    read_talk_traces,
    summarise_talks,
    talk_rows,
    write_talks,
)

_GRAPH_FIELDS = set(SelfTalkContext.model_fields) - {"actor", "critic", "smoother"}


@dataclass(frozen=True)
class Talkers:
    """The models that make self-talk."""

    actor: BaseChatModel
    critic: BaseChatModel
    smoother: str | BaseChatModel
    """A model, or `exact`."""


def make_self_talk(
    problems: TrainingProblems,
    talkers: Talkers,
    folder: Path,
    settings: SelfTalkSettings,
    *,
    fresh: bool = False,
    progress: TalkProgress | None = None,
) -> tuple[SessionEnd, TalkSummary]:
    """Make self-talk in a run's folder, or go on with it; the data set is in its `DATASET`.

    Raises:
        CritiqueGraphError: Bad input, or a folder that cannot be written; nothing finished before is lost.
    """
    recorded = settings.model_dump(mode="json") | {"limit": settings.problem_limit}
    journal = folder / JOURNAL
    with open_run(folder, recorded, prompts=prompts_hash(talk_prompts()), fresh=fresh) as run:
        graph = create_self_talk(
            talkers.actor,
            talkers.critic,
            talkers.smoother,
            log=run.journal,
            **settings.model_dump(include=_GRAPH_FIELDS),
        ).compile(name="self_talk")
        end = asyncio.run(
            drive(
                graph,
                problems.read(),
                run,
                settings=recorded,
                total=problems.total,
                concurrency=settings.concurrency,
                progress=progress or TalkProgress(quiet=True),
                judge=outcome_of_talks,
                suspect=unreadable_critic,
                schema=TALKS_SCHEMA,
            )
        )
        write_talks(folder / DATASET, talk_rows(read_talk_traces(read_journal(journal))))
        summary = summarise_talks(
            read_journal(journal),
            run=str(folder),
            dataset=str(folder / DATASET / TALKS),
            left_out=dict(problems.left_out),
            seconds=run.journal.seconds(),
            total=problems.total,
        )
        write_talk_card(folder / DATASET, summary, recorded, talk_prompts())
        outcomes = {name: getattr(summary, name) for name in ("done", "failed", "quarantined", "pending")}
        run.write_manifest(end.state, reason=end.reason, outcomes=outcomes, tokens=summary.tokens)
    return end, summary
