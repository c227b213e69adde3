"""One run of the shards of a run: what `run --shard` made in several processes becomes what one would have made."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from critique_graph.core.async_node import wait_for
from critique_graph.core.errors import InputError, RunError
from critique_graph.runs.finish import finish
from critique_graph.runs.folder import JOURNAL, RunState, open_run
from critique_graph.runs.shards import ShardRun, merge_journals, read_shards
from critique_graph.solve.summary import Summary, summarise
from critique_graph.verbs.output import run_folder
from critique_graph.verbs.settings import read_prices


def merge_runs(runs: Iterable[Path | str], *, out: Path | str | None = None, fresh: bool = False) -> Summary:
    """Make one run of all shards of a run (`shard` of `run_problems`). `critique-graph merge` calls it.

    The new folder is that of a run in one process: with its traces in their order, its summary, and its journal, so
    that `run_problems` without `shard` goes on with it. Settings that results do not depend on, and prices, are those
    of the first shard. The seconds of all shards are added. The shards' folders stay as they are.

    Example:
        >>> merge_runs(["runs/part-1", "runs/part-2"], out="runs/all").gain

    Args:
        runs: Folders of all shards, in any order.
        out: Folder of the new run; by default one under `runs/`.
        fresh: Start over in a folder that holds a run.

    Raises:
        InputError: A shard is missing or there twice, or the folders are not shards of one run.
        RunError: A shard is not finished, a folder is damaged or cannot be written, or `out` holds a run.
    """
    shards = read_shards(map(Path, runs))
    folder = run_folder(out, "merged")
    if any(folder.resolve() == shard.folder.resolve() for shard in shards):
        raise InputError(f"{folder} is the folder of a shard. Use another --out.")
    return merge_shards(shards, folder, {**shards[0].manifest["configuration"], "shard": None}, fresh=fresh)


def merge_shards(
    shards: Sequence[ShardRun],
    folder: Path,
    configuration: Mapping[str, Any],
    *,
    fresh: bool = False,
    state: RunState = "complete",
    reason: str | None = None,
    total: int = 0,
) -> Summary:
    """Make one run of shards that belong together.

    Args:
        shards: All shards of a run.
        folder: Folder of the new run.
        configuration: Its settings.
        fresh: Start over in a folder that holds a run.
        state: How the shards ended.
        reason: Why they stopped early; None otherwise.
        total: Number of problems in the set, where shards may not have met all.

    Raises:
        RunError: A folder is damaged or cannot be written, or `folder` holds a run.
    """
    manifests = [shard.manifest for shard in shards]
    first = manifests[0]
    with open_run(folder, configuration, prompts=first["prompts"], fresh=fresh) as run:
        if any(run.journal.counts().values()):
            raise RunError(f"{folder} holds a run already. Use another --out, or --fresh to start over.")
        merge_journals(shards, run.path / JOURNAL)
        probed = [found for manifest in manifests for found in manifest["probed"]]
        return wait_for(
            finish(
                run,
                state,
                summarise,
                reason=reason,
                total=total,
                left_out={},
                prices=read_prices(configuration.get("price", ()), ("actor", "critic")),
                probed=[found for index, found in enumerate(probed) if found not in probed[:index]],
                versions=first["versions"],
            )
        )
