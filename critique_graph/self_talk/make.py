"""Makes self-talk data: drives the graph over a problem set, and writes what was kept."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from langchain_core.language_models import BaseChatModel
from rich.console import Console

from critique_graph.core.context import SelfTalkContext
from critique_graph.core.errors import one_line
from critique_graph.core.files import DATASET
from critique_graph.graphs.prompts import prompts_hash, talk_prompts
from critique_graph.graphs.self_talk import create_self_talk
from critique_graph.problems.training import TrainingProblems
from critique_graph.runs.drive import SessionEnd, drive
from critique_graph.runs.folder import JOURNAL, open_run
from critique_graph.runs.journal import read_journal
from critique_graph.runs.outcomes import Outcome, _outcome_of_parts
from critique_graph.runs.progress import Progress
from critique_graph.self_talk.card import write_talk_card
from critique_graph.self_talk.dataset import TALKS, TALKS_SCHEMA, read_talk_traces, talk_rows, write_talks
from critique_graph.self_talk.settings import SelfTalkSettings
from critique_graph.self_talk.summary import TalkSummary, summarise_talks


class TalkProgress(Progress):
    """The same where self-talk is made: how many talks were kept, and how many of them have repairs."""

    def __init__(self, *, console: Console | None = None, quiet: bool = False) -> None:
        super().__init__(console=console, quiet=quiet)
        self._kept = self._repaired = self._made = 0

    def _count(self, result: Mapping[str, Any]) -> None:
        kept = [talk for talk in result["talks"] if talk["drop"] is None]
        self._made += len(result["talks"])
        self._kept += len(kept)
        self._repaired += sum(len(talk["chain"]["rounds"]) > 1 for talk in kept)

    def _findings(self) -> list[str]:
        return [f"{self._kept} of {self._made} talks kept, {self._repaired} of them repaired"]


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


def outcome_of_talks(result: Mapping[str, Any]) -> Outcome:
    """Judge a result of the graph that makes self-talk, likewise."""
    return _outcome_of_parts(result["talks"])


def unreadable_critic(result: Mapping[str, Any]) -> str | None:
    """Say so if every talk of a problem is dropped because a critique cannot be read, with the first of them."""
    if any(talk["drop"] != "unreadable" for talk in result["talks"]):
        return None
    critique = result["talks"][0]["chain"]["rounds"][-1]["critique"]["text"]
    return f"by critiques that cannot be read: {one_line(critique, limit=300)!r}"
