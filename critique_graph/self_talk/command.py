"""`critique-graph self-talk`: paths that think aloud, mistakes and their repair included."""

import time
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from langchain_core.language_models import BaseChatModel
from rich.table import Table
from rich.text import Text

from critique_graph.models.load import can_continue, load_model
from critique_graph.models.servers import check_server
from critique_graph.nodes.smooth import EXACT
from critique_graph.output.terminal import Flag, log, plain, print_json, stdout
from critique_graph.problems.training import training_problems
from critique_graph.self_talk.make import Talkers, TalkProgress, make_self_talk
from critique_graph.self_talk.settings import SelfTalkSettings
from critique_graph.self_talk.summary import TalkSummary


def self_talk(
    problems: str | None = None,
    /,
    *,
    settings: Annotated[SelfTalkSettings, Parameter(name="*")] = SelfTalkSettings(),  # noqa: B008 - frozen
    out: Path | None = None,
    fresh: Flag = False,
    json: Flag = False,
    quiet: Flag = False,
) -> int:
    """Make self-talk data: a critic's words after every step, wrong steps repaired until no error is left.

    Every problem needs its reference answer, which grades what was made. Right paths become talks, too. The data set
    is in the run's folder, under `dataset`; `train self-talk`, `train self-correction` and `train actor` learn from it.
    The same command again resumes.

    Args:
        problems: `miniature` (the default), a JSONL, JSON, CSV or Parquet file, or `hf:owner/name[:config[:split]]`.
        out: The run's folder; by default a new one under `runs/`.
        fresh: Start over in a folder that holds a run.
        json: Print the summary as one JSON object.
        quiet: No progress.
    """
    if problems is not None:
        settings = settings.model_copy(update={"problems": problems})
    to_do, talkers = training_problems(settings), load_talkers(settings)
    if not can_continue(talkers.actor):
        log.print(
            plain(f"{settings.actor} cannot continue a message of its own: it must repeat what was right"),
            style="yellow",
        )
    folder = out or Path("runs") / f"talk-{time.strftime('%Y%m%d-%H%M%S')}"
    progress = TalkProgress(console=log, quiet=quiet)
    end, summary = make_self_talk(to_do, talkers, folder, settings, fresh=fresh, progress=progress)
    if json:
        print_json(summary.model_dump(mode="json"))
    else:
        stdout.print(talk_table(summary))
    if end.reason:
        log.print(plain(f"critique-graph: stopped early: {end.reason}"), style="red")
    return end.exit_code(failed=summary.failed + summary.quarantined)


def load_talkers(settings: SelfTalkSettings) -> Talkers:
    """Load the verb's models.

    Raises:
        InputError: a model string names none, or a server that was named does not answer.
        MissingDependencyError: a model needs an extra that is not installed.
    """
    other_url = settings.critic_base_url or settings.base_url
    for url in {settings.base_url, other_url} - {None}:
        check_server(str(url))

    def load(spec: str, url: str | None) -> BaseChatModel:
        return load_model(spec, base_url=url if spec.startswith("openai:") else None)

    return Talkers(
        actor=load(settings.actor, settings.base_url),
        critic=load(settings.critic, other_url),
        smoother=EXACT if settings.smoother == EXACT else load(settings.smoother, other_url),
    )


def talk_table(summary: TalkSummary) -> Table:
    """Lay out what was made."""
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    shown = {status: getattr(summary, status) for status in ("failed", "quarantined", "pending")}
    faults = "".join(f", {count} {name}" for name, count in shown.items() if count)
    by_repairs = ", ".join(f"{count} with {number}" for number, count in summary.kept_by_repairs.items())
    rows = [
        ("problems", f"{summary.done} of {summary.problems} done{faults}"),
        *(("left out", f"{count} near copies, {reason}") for reason, count in summary.left_out.items()),
        (
            "kept",
            f"{summary.kept} of {summary.talks} talks: {summary.right} right at once, {summary.repaired} repaired",
        ),
        (
            "wrong paths",
            f"{summary.repaired_share.percent()} repaired, copies included, n = {summary.repaired_share.n}",
        ),
        ("right paths", f"{summary.right_share.percent()} kept, copies included, n = {summary.right_share.n}"),
        ("mistakes", by_repairs or "-"),
        ("dropped", ", ".join(f"{count} {reason}" for reason, count in summary.dropped.items()) or "-"),
        ("tokens", " + ".join(f"{n:,} {role}" for role, n in summary.tokens.items() if n and role != "total") or "-"),
        ("time", f"{summary.seconds:.1f} s"),
        ("data set", summary.dataset),
    ]
    for name, value in rows:
        table.add_row(name, Text(value))
    return table
