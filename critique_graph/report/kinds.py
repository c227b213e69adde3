"""Which verb made a folder: its manifest tells by its settings."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from critique_graph.core.errors import InputError
from critique_graph.core.schema import TRACE_SCHEMA, Record, Trace
from critique_graph.eval_critic.score import JudgedTrace
from critique_graph.generate.funnel import PATHS_SCHEMA, PathsTrace
from critique_graph.runs.folder import read_manifest
from critique_graph.self_talk.dataset import TALKS_SCHEMA, TalkTrace

STUDY, DEFAULT_NAME = "study.json", "report.html"
Verb = Literal["run", "compare", "generate", "self-talk", "eval-critic", "improve", "study"]


@dataclass(frozen=True)
class TraceForm:
    """The traces that a verb leaves in a run folder."""

    schema: str
    graphs: tuple[str, ...]
    """Names of the graphs that make them; the first one is named in errors."""
    record: type[Record]
    parts: Literal["chains", "paths", "talks"]
    """What a trace holds several of, each of which may have failed."""


TRACE_FORMS: dict[Verb, TraceForm] = {
    "run": TraceForm(TRACE_SCHEMA, ("actor_critic", "exploration"), Trace, "chains"),
    "compare": TraceForm(TRACE_SCHEMA, ("pool",), Trace, "chains"),
    "generate": TraceForm(PATHS_SCHEMA, ("auto_critique",), PathsTrace, "paths"),
    "self-talk": TraceForm(TALKS_SCHEMA, ("self_talk",), TalkTrace, "talks"),
    "eval-critic": TraceForm(TRACE_SCHEMA, ("judge",), JudgedTrace, "chains"),
}
_OWN_SETTINGS: dict[str, Verb] = {
    "only": "study",
    "annotator": "generate",
    "smoother": "self-talk",
    "sources": "eval-critic",
    "iterations": "improve",
    "votes": "compare",
}
"""Settings that tell a verb: the first one that a folder has. A study has those of `improve`, too."""


def verb_of(folder: Path) -> Verb:
    """Tell which verb made a folder.

    Raises:
        InputError: There is no such folder, or it holds no run.
        RunError: The manifest is damaged.
    """
    if not folder.is_dir():
        raise InputError(
            f"{folder}: there is no such folder. Give the folder of a run (--out of `critique-graph run`)."
        )
    configuration = manifest_of(folder)["configuration"]
    return next((verb for setting, verb in _OWN_SETTINGS.items() if setting in configuration), "run")


def manifest_of(folder: Path) -> dict[str, Any]:
    """Give the manifest of a folder.

    Raises:
        InputError: There is none.
        RunError: It is damaged.
    """
    manifest = read_manifest(folder)
    if manifest is None:
        raise InputError(f"{folder}: there is no manifest.json, so this is not the folder of a run.")
    return manifest
