"""What is left of a run once its work is in the journal: the traces, the summary, the manifest."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from critique_graph.runs.folder import JOURNAL, RunFolder, RunState
from critique_graph.runs.journal import read_journal
from critique_graph.runs.record import Ended, FinishedRun, Price, ServerShare

Found = TypeVar("Found", bound=Ended)


async def finish(
    run: RunFolder,
    state: RunState,
    summarise: Callable[[FinishedRun], Found],
    *,
    reason: str | None,
    total: int,
    left_out: Mapping[str, int],
    prices: Mapping[str, Price],
    servers: tuple[ServerShare, ...] = (),
    **recorded: Any,
) -> Found:
    """Write the traces and the manifest of a run whose session has ended, and summarise it.

    Args:
        run: The run.
        state: How the session ended.
        summarise: Summarises the run.
        reason: Why the session stopped early; None otherwise.
        total: Number of problems in the set, as far as it is known; those that were not met are pending.
        left_out: Number of problems left out, by reason.
        prices: Prices by role.
        servers: Where the session's calls went, if a model has a pool of servers.
        recorded: Further keys of the manifest.
    """
    run.journal.fold_log()
    checksum = run.write_traces()
    counts = run.journal.counts()
    total = max(total, sum(counts.values()))
    outcomes = {**counts, "pending": total - sum(counts.values()) + counts["pending"]}
    finished = FinishedRun(
        rows=lambda: read_journal(run.path / JOURNAL),
        outcomes=outcomes,
        folder=run.path,
        seconds=run.journal.seconds(),
        state=state,
        reason=reason,
        left_out=left_out,
        untraced=await run.journal.untraced_usage(),
        prices=prices,
        servers=servers,
    )
    found = summarise(finished)
    if servers:
        recorded["servers"] = [share.model_dump() for share in servers]
    run.write_manifest(state, reason=reason, outcomes=outcomes, traces_checksum=checksum, **recorded, **_tokens(found))
    return found


def _tokens(found: Ended) -> dict[str, Any]:
    """Give the tokens of a record for the manifest, by role where the record has them by role."""
    tokens = found.model_dump(mode="json").get("tokens")
    return {} if tokens is None else {"tokens": tokens if isinstance(tokens, dict) else {"total": tokens}}
