"""The folder of one run: its lock, its configuration, its journal, and the files it leaves behind.

run.yaml        the effective configuration: what a resumed run must agree with; `--config` reads it
manifest.json   versions, configuration, prompts' hash, counts, tokens, seconds, state
journal.sqlite  every model call and outcome (`Journal`)
traces.jsonl    one trace per line, in problem order, once a session has ended
lock            held while a process works on the run
"""

import fcntl
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import orjson
import yaml
from pydantic import JsonValue

from critique_graph.core.errors import MissingDependencyError, RunError
from critique_graph.core.files import write_atomically
from critique_graph.core.schema import Problem
from critique_graph.core.versions import installed_versions
from critique_graph.runs.journal import Journal, read_journal
from critique_graph.runs.links import refuse_link, refuse_links
from critique_graph.runs.session_journal import SessionJournal

CONFIGURATION, MANIFEST, JOURNAL, TRACES, LOCK = (
    "run.yaml",
    "manifest.json",
    "journal.sqlite",
    "traces.jsonl",
    "lock",
)
MANIFEST_SCHEMA = "critique-graph.run/1"
_WRITTEN = (
    CONFIGURATION,
    MANIFEST,
    *(f"{JOURNAL}{suffix}" for suffix in ("", "-wal", "-shm", ".damaged", "-wal.damaged")),
    TRACES,
    "report.html",
)
_RECORDED_PACKAGES = ("critique-graph", "langgraph", "langchain-core", "torch", "transformers", "vllm")
"""Packages that results may depend on."""

_WAY_OUT = "Restore it, or use --fresh to start over."
FREE_FIELDS = frozenset(
    {
        "concurrency",
        "devices",
        "call_timeout",
        "outage",
        "base_url",
        "critic_base_url",
        "annotator_base_url",
        "serve_command",
        "target",
        "ratio",
        "iterations",
        *("run_tokens", "run_calls", "run_seconds", "price"),
        *("only", "actors", "critics"),  # of a study, whose parts and models have folders of their own
    }
)
"""Settings that may change between sessions: no problem's result depends on them (a server's address may change)."""
_BEFORE: Mapping[str, JsonValue] = {
    "critiques": 1,
    "agree": "majority",
    "abstain_below": None,
    "keep_original": False,
    "refine_best": None,
    "refinements": 1,
    "max_refinements": 0,
    "refuse_answers": False,
    "task": "math",
    "shard": None,
    "critic_learns": False,
}
"""Settings of runs of versions that did not record them."""

RunState = Literal["running", "complete", "interrupted", "stopped_early"]


@dataclass(frozen=True)
class RunFolder:
    """A run folder whose lock this process holds; made by `open_run`."""

    path: Path
    configuration: dict[str, JsonValue]
    prompts: str
    journal: Journal

    def write_manifest(self, state: RunState, **findings: Any) -> None:
        """Write the run's configuration and state; `findings` are further keys, such as tokens."""
        manifest = {
            "schema": MANIFEST_SCHEMA,
            "state": state,
            "outcomes": self.journal.counts(),
            "seconds": round(self.journal.seconds(), 3),
            "configuration": self.configuration,
            "prompts": self.prompts,
            "versions": installed_versions(_RECORDED_PACKAGES),
            **findings,
        }
        manifest["checksum"] = _checksum(manifest)
        write_atomically(self.path / MANIFEST, [orjson.dumps(manifest, option=orjson.OPT_INDENT_2), b"\n"])

    def write_traces(self) -> str:
        """Write every trace the journal has, in problem order, and give the file's checksum."""
        digest = hashlib.blake2b(digest_size=8)

        def lines() -> Iterator[bytes]:
            for row in read_journal(self.path / JOURNAL):
                if row.trace is not None:
                    digest.update(row.trace + b"\n")
                    yield row.trace + b"\n"

        write_atomically(self.path / TRACES, lines())
        return digest.hexdigest()

    @contextmanager
    def working_journal(self, problems: Iterable[Problem], *, shared: str | None = None) -> Iterator[SessionJournal]:
        """Give the journal that a session works with; a shared one is copied into the folder's own when it is left.

        Args:
            problems: The problems in their order.
            shared: Address of a shared journal; None: the folder's own.

        Raises:
            InputError: The address is none.
            MissingDependencyError: The extra `postgres` is not installed.
            RunError: The shared journal cannot be used, or has a run with other settings or problems.
        """
        if shared is None:
            self.journal.hand_out(problems)
            yield self.journal
            return
        try:
            from critique_graph.runs.shared_journal import SharedJournal
        except ImportError as error:
            raise MissingDependencyError("psycopg", extra="postgres", purpose="A shared journal") from error
        settings = {name: value for name, value in self.configuration.items() if name != "journal"}
        given = {**settings, "prompts": self.prompts}
        with SharedJournal(shared, given, problems, copy=self.path / JOURNAL) as journal:
            yield journal


@contextmanager
def open_run(
    path: Path,
    configuration: Mapping[str, JsonValue],
    *,
    prompts: str,
    fresh: bool = False,
    problems: Iterable[Problem] | None = None,
) -> Iterator[RunFolder]:
    """Open the folder of a new run, or that of an earlier run to resume it; it is made if it does not exist.

    Args:
        path: The folder.
        configuration: The run's settings. A resumed run must have the same settings, except that `limit` may grow
            (None is no limit) and that `concurrency` and server addresses are free.
        prompts: Hash of the prompts' wording; a resumed run must have the same hash.
        fresh: Delete what an earlier run left in the folder first.
        problems: The problems in their order; a resumed run must have begun with them (None: not checked).

    Raises:
        RunError: the folder is in use, belongs to another configuration or other problems, is damaged or cannot be
            written.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"cannot make the run folder {path}: {error.strerror}.") from error
    refuse_links(path)
    with _locked(path):
        known = read_manifest(path)
        if known is None and not (path / JOURNAL).exists():
            _refuse_strangers(path)
        if fresh:
            _remove_run(path)
        elif known is not None:
            if not _has_content(path / JOURNAL):
                raise RunError(f"{path / JOURNAL} is missing or empty. {_WAY_OUT}")
            refuse_changed_settings(
                path,
                settings_of(known),
                {**configuration, "prompts": prompts},
                way_out="Use another --out, or --fresh to start over.",
            )
        with Journal(path / JOURNAL) as journal:
            if known is None and any(journal.counts().values()):
                raise RunError(f"{path / MANIFEST} is missing. {_WAY_OUT}")
            if problems is not None:
                journal.refuse_changed(problems)
            run = RunFolder(path, dict(configuration), prompts, journal)
            run.write_manifest("running")
            text = yaml.safe_dump(run.configuration, sort_keys=False, allow_unicode=True)
            write_atomically(path / CONFIGURATION, [text.encode()])
            yield run


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the folder's lock; it is released when the process ends, in whatever way."""
    try:
        descriptor = os.open(path / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    except OSError as error:
        raise RunError(f"cannot write to the run folder {path}: {error.strerror}.") from error
    with os.fdopen(descriptor, "r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = file.read().strip() or "unknown"
            raise RunError(f"{path} is in use by process {owner}. Wait for it, or use another --out.") from None
        try:
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
        except OSError as error:
            raise RunError(f"cannot write to the run folder {path}: {error.strerror}.") from error
        yield


def read_manifest(path: Path) -> dict[str, Any] | None:
    """Give the manifest of the run in `path`; None when there is none."""
    file = path / MANIFEST
    refuse_link(file)
    try:
        manifest = orjson.loads(file.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RunError(f"cannot read {file}: {error.strerror}.") from error
    except orjson.JSONDecodeError as error:
        raise RunError(f"{file} is no manifest of a run: {error}. Restore it, or use another --out.") from error
    if not isinstance(manifest, dict) or manifest.get("schema") != MANIFEST_SCHEMA:
        raise RunError(f"{file} is no manifest of a run (schema {MANIFEST_SCHEMA}). Use another --out.")
    checksum = manifest.pop("checksum", None)  # earlier versions wrote none
    is_whole = checksum == _checksum(manifest) if checksum is not None else "configuration" in manifest
    if not is_whole or not isinstance(manifest["configuration"], dict) or "prompts" not in manifest:
        raise RunError(f"{file} is damaged: it is not as the run wrote it. {_WAY_OUT}")
    return manifest


def _checksum(manifest: Mapping[str, Any]) -> str:
    return hashlib.blake2b(orjson.dumps(manifest, option=orjson.OPT_SORT_KEYS), digest_size=8).hexdigest()


def settings_of(manifest: Mapping[str, Any]) -> dict[str, JsonValue]:
    """Give the settings that a manifest records, with the hash of the prompts as `prompts`."""
    return {**_BEFORE, **manifest["configuration"], "prompts": manifest["prompts"]}


def changed_settings(known: Mapping[str, JsonValue], given: Mapping[str, JsonValue]) -> list[str]:
    """Name the settings of `given` that are others in `known` and that results depend on."""
    return [
        field
        for field in given  # settings that only an older version knows decide nothing
        if field not in FREE_FIELDS and _deciding(field, known.get(field)) != _deciding(field, given.get(field))
    ]


def refuse_changed_settings(
    owner: object, known: Mapping[str, JsonValue], given: Mapping[str, JsonValue], *, way_out: str
) -> None:
    """Refuse to go on with a run under other settings; only `limit` may grow.

    Args:
        owner: What the run belongs to, for the message.
        known: The run's settings.
        given: Settings of the session, with the hash of the prompts as `prompts`.
        way_out: What the user can do, for the message.

    Raises:
        RunError: A setting that results depend on is another one.
    """
    changes = [
        f"{field} was {known.get(field)!r}, is now {given.get(field)!r}"
        for field in changed_settings(known, given)
        if not (field == "limit" and _is_raised(known.get(field), given.get(field)))
    ]
    if changes:
        more = f" (and {len(changes) - 1} more)" if len(changes) > 1 else ""
        raise RunError(f"{owner} belongs to a run with another configuration: {changes[0]}{more}. {way_out}")


def _deciding(field: str, value: Any) -> Any:
    """Give what decides of a setting.

    Of a role's model neither its server nor the name of a variable, but its options; of a journal whether it is shared.
    """
    if field == "journal":
        return value is None
    if not isinstance(value, Mapping) or "model" not in value:
        return value
    return (value["model"], value["options"]) if value.get("options") else value["model"]


def _is_raised(old: Any, new: Any) -> bool:
    return old is not None and (new is None or new > old)


def _refuse_strangers(path: Path) -> None:
    """Refuse to overwrite files of a folder that holds no run."""
    for name in _WRITTEN:
        if (path / name).exists():
            raise RunError(f"{path / name} exists and belongs to no run. Use another --out.")


def _has_content(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


def _remove_run(path: Path) -> None:
    """Remove the files a run writes, and only those."""
    for name in _WRITTEN:
        try:
            (path / name).unlink(missing_ok=True)
        except OSError as error:
            raise RunError(f"cannot remove {path / name}: {error.strerror}.") from error
