"""Makes self-talk data: runs the graph over a problem set, and writes the kept talks and a card."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from critique_graph.calls.caller import can_continue
from critique_graph.core.async_node import wait_for
from critique_graph.core.context import SelfTalkContext
from critique_graph.core.errors import one_line
from critique_graph.core.files import DATASET
from critique_graph.graphs.prompts import prompts_hash, talk_prompts
from critique_graph.graphs.self_talk import create_self_talk
from critique_graph.problems.problem_set import Problems, find_training_problems
from critique_graph.runs.drive import run_graph
from critique_graph.runs.outcomes import Outcome, outcome_of_parts
from critique_graph.runs.record import FinishedRun
from critique_graph.self_talk.card import write_talk_card
from critique_graph.self_talk.dataset import TALKS, TALKS_SCHEMA, read_talk_traces, talk_rows, write_talks
from critique_graph.self_talk.progress import TalkProgress
from critique_graph.self_talk.settings import SelfTalkSettings
from critique_graph.self_talk.summary import TalkSummary, summarise_talks
from critique_graph.verbs.job import prepare_problems
from critique_graph.verbs.output import run_folder

logger = logging.getLogger(__name__)


def make_self_talk(
    problems: Problems = "miniature",
    *,
    out: Path | str | None = None,
    fresh: bool = False,
    progress: TalkProgress | None = None,
    **settings: Any,
) -> TalkSummary:
    """Make self-talk data; the same call again resumes. `critique-graph self-talk` calls it.

    The data set is in the run's folder, under `dataset`.

    Example:
        >>> summary = make_self_talk("problems.jsonl", actor="hf:PATH", critic="hf:PATH", out="runs/talk")
        >>> summary.repaired_share

    Args:
        problems: `miniature`, a file, `hf:owner/name[:config[:split]]`, or the problems themselves, with reference
            answers.
        out: Folder of the run; by default a new one under `runs/`.
        fresh: Start over in a folder that holds a run.
        progress: Shows how the run goes; nothing by default.
        settings: Fields of `SelfTalkSettings`; models are strings or chat models.

    Raises:
        CritiqueGraphError: Bad input, or a folder that cannot be written; nothing finished before is lost.
        pydantic.ValidationError: A setting is unknown or out of its range.
    """
    job = prepare_problems(SelfTalkSettings, problems, settings, find_training_problems)
    chosen, folder = job.settings, run_folder(out, "talk")
    if not can_continue(job.models["actor"]):
        logger.warning("%s cannot continue a message of its own: it must repeat the correct steps", chosen.actor)

    def summarise(run: FinishedRun) -> TalkSummary:
        write_talks(folder / DATASET, talk_rows(read_talk_traces(run.rows())))
        summary = summarise_talks(run, dataset=str(folder / DATASET / TALKS))
        write_talk_card(folder / DATASET, summary, chosen.recorded(), chosen.prompts)
        return summary

    return wait_for(
        run_graph(
            lambda journal: create_self_talk(
                **job.models, **SelfTalkContext.keywords(chosen), prompts=chosen.prompts, task=chosen.task, log=journal
            ).compile(name="self_talk"),
            job.problems,
            folder,
            chosen.recorded(),
            summarise,
            prompts=prompts_hash(talk_prompts(chosen.prompts)),
            fresh=fresh,
            concurrency=chosen.concurrency,
            patience=chosen.patience,
            limits=chosen.limits,
            prices=chosen.prices,
            progress=progress or TalkProgress(quiet=True),
            outcome_of=outcome_of_talks,
            warn_about=unreadable_critic,
            schema=TALKS_SCHEMA,
        )
    )


def outcome_of_talks(result: Mapping[str, Any]) -> Outcome:
    """Judge a result of the graph that makes self-talk by the failures of its talks."""
    return outcome_of_parts(result["talks"])


def unreadable_critic(result: Mapping[str, Any]) -> str | None:
    """Give a warning with the first unreadable critique if every talk of a problem is dropped for such a critique."""
    if any(talk["drop"] != "unreadable" for talk in result["talks"]):
        return None
    critique = result["talks"][0]["chain"]["rounds"][-1]["critique"]["text"]
    return f"by critiques that cannot be read: {one_line(critique, limit=300)!r}"
