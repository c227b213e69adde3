"""The runs of all shards of a problem set: what must hold before they become one run, and how their journals do.

A merged journal is that of a run in one process: the same problems at the same places, with the same calls.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from critique_graph.core.errors import InputError, RunError
from critique_graph.core.schema import Problem
from critique_graph.problems.shard import Shard
from critique_graph.runs.folder import JOURNAL, changed_settings, read_manifest, settings_of
from critique_graph.runs.journal_file import PUT, checksummed, connect, explained, read_calls, read_problems
from critique_graph.runs.session_journal import digest_of

logger = logging.getLogger(__name__)

_SESSION = 0
"""Id of what all shards took together, as a session before the first one of the merged run."""
_MERGING = 1
"""Id of the session that merged the shards."""


@dataclass(frozen=True)
class ShardRun:
    """The run of a shard, as its folder has it."""

    folder: Path
    shard: Shard
    manifest: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.folder} (shard {self.shard})"


def read_shards(folders: Iterable[Path], *, is_complete: bool = True) -> list[ShardRun]:
    """Read the manifests of all shards of a problem set, and give the shards in their order.

    Args:
        folders: The folders, in any order.
        is_complete: Refuse shards that stopped early.

    Raises:
        InputError: A folder holds no shard, or they are not all shards of one run, each one once.
        RunError: A shard is not finished, or a folder is damaged.
    """
    runs = sorted((_read(folder) for folder in folders), key=lambda run: run.shard)
    if not runs:
        raise InputError("name the folders of all shards: critique-graph merge runs/part-1 runs/part-2 --out runs/all.")
    _refuse_strangers(runs)
    _refuse_gaps(runs)
    if is_complete:
        _refuse_unfinished(runs)
    _refuse_other_sets(runs)
    _warn_about_versions(runs)
    return runs


def is_settled(folder: Path, configuration: Mapping[str, Any], *, prompts: str, problems: Iterable[Problem]) -> bool:
    """Tell whether a run with these settings is complete and has an answer, or none ever, to each of these problems.

    Raises:
        RunError: The folder is damaged.
    """
    manifest = read_manifest(folder)
    if manifest is None or manifest["state"] != "complete":
        return False
    if changed_settings(settings_of(manifest), {**configuration, "prompts": prompts}):
        return False
    rows = read_problems(folder / JOURNAL)
    return all(
        row is not None
        and problem is not None
        and (row[1], row[2]) == (problem.id, digest_of(problem))
        and row[3] in ("done", "quarantined")
        for row, problem in zip_longest(rows, problems)
    )


def has_own_sessions(folder: Path) -> bool:
    """Tell whether anything but a merging has worked on the run in a folder.

    Raises:
        RunError: The folder is damaged.
    """
    journal = folder / JOURNAL
    if not journal.exists():
        return False
    with explained(journal), closing(connect(journal, read_only=True)) as connection:
        sessions = {session for (session,) in connection.execute("SELECT id FROM sessions")}
    return sessions == {_MERGING} or max(sessions, default=0) > _MERGING


def merge_journals(runs: Sequence[ShardRun], journal: Path) -> None:
    """Put what the journals of all shards hold into that of a new run: all of it, or nothing.

    Raises:
        RunError: A journal cannot be read or written, or two of them have a problem of one id.
    """
    replace_rows(journal, _merged_rows(runs))


def replace_rows(path: Path, rows: Iterable[tuple[str, tuple[Any, ...]]]) -> None:
    """Put rows, each as table and columns, in the place of all that a journal holds: all of them, or nothing.

    Raises:
        RunError: The file cannot be written.
    """
    with explained(path), closing(connect(path)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        for table in PUT:
            connection.execute(f"DELETE FROM {table}")  # noqa: S608 - names of our own
        for table, columns in rows:
            connection.execute(PUT[table], checksummed(table, *columns))
        connection.execute("COMMIT")  # closing without it takes everything back


def _read(folder: Path) -> ShardRun:
    manifest = read_manifest(folder)
    if manifest is None:
        raise InputError(f"{folder}: there is no manifest.json, so this is not the folder of a run.")
    shard = settings_of(manifest).get("shard")
    if not isinstance(shard, str):
        raise InputError(f"{folder} is no shard: it is a run without --shard.")
    return ShardRun(folder, Shard.read(shard), manifest)


def _refuse_strangers(runs: Sequence[ShardRun]) -> None:
    """Refuse runs that are not parts of one run."""
    first = runs[0]
    known = settings_of(first.manifest)
    for run in runs[1:]:
        if run.shard.count != first.shard.count:
            raise InputError(f"{first} and {run} are not parts of one run.")
        given = settings_of(run.manifest)
        names = [name for name in changed_settings(known, given) if name != "shard"]
        if names:
            more = f" (and {len(names) - 1} more)" if len(names) > 1 else ""
            raise InputError(
                f"{first} and {run} have other settings: {names[0]} is {known.get(names[0])!r} and "
                f"{given.get(names[0])!r}{more}."
            )


def _refuse_gaps(runs: Sequence[ShardRun]) -> None:
    """Refuse shards that are there twice, or not at all."""
    found: dict[int, ShardRun] = {}
    for run in runs:
        if run.shard.index in found:
            raise InputError(f"shard {run.shard} is there twice: {found[run.shard.index].folder} and {run.folder}.")
        found[run.shard.index] = run
    count = runs[0].shard.count
    missing = [str(Shard(index, count)) for index in range(1, count + 1) if index not in found]
    if missing:
        raise InputError(f"missing: shard {', '.join(missing)}. Name the folders of all {count} shards.")


def _refuse_unfinished(runs: Sequence[ShardRun]) -> None:
    unfinished = [f"{run}: {run.manifest['state']}" for run in runs if run.manifest["state"] != "complete"]
    if unfinished:
        raise RunError(
            f"not finished: {', '.join(unfinished)}. Wait, or give the shard's command again: it goes on where it "
            "stopped."
        )


def _refuse_other_sets(runs: Sequence[ShardRun]) -> None:
    """Refuse shards whose numbers of problems do not fit together: the set had grown when some of them ran."""
    sizes = [sum(run.manifest["outcomes"].values()) for run in runs]
    total, count = sum(sizes), len(runs)
    for run, size in zip(runs, sizes, strict=True):
        if size != (expected := len(range(run.shard.index - 1, total, count))):
            raise InputError(
                f"{run} has {size} problems, and of {total} in all shards it must have {expected}: the shards ran on "
                "different problem sets. Give their commands again with one and the same set."
            )


def _warn_about_versions(runs: Sequence[ShardRun]) -> None:
    first = runs[0]
    known = first.manifest["versions"]
    for run in runs[1:]:
        for package, version in run.manifest["versions"].items():
            if version != known.get(package):
                logger.warning("%s has %s %s, %s has %s", first, package, known.get(package), run, version)


def _merged_rows(runs: Sequence[ShardRun]) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Give table and columns of every row."""
    yield "sessions", (_SESSION, sum(float(run.manifest["seconds"]) for run in runs))
    owners: dict[str, ShardRun] = {}
    for run in runs:
        for number, problem_id, *columns in read_problems(run.folder / JOURNAL):
            if problem_id in owners:
                raise RunError(
                    f"problem {problem_id!r} is in {owners[problem_id]} and in {run}: the shards ran on different "
                    "problem sets. Give their commands again with one and the same set."
                )
            owners[problem_id] = run
            yield "problems", (run.shard.place(number), problem_id, *columns)
        for call in read_calls(run.folder / JOURNAL):
            yield "calls", call
