"""What a part of the study gets, and what it gives."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from langchain_core.language_models import BaseChatModel
from pydantic import Field

from critique_graph.core.schema import Problem, Record, Trace
from critique_graph.runs.progress import Progress
from critique_graph.study.settings import StudySettings

Holds = Literal["yes", "no", "unclear"]


class Finding(Record):
    """A statement of the paper, measured."""

    part: str
    name: str
    statement: str
    """The paper's statement in our words, with its section."""
    estimate: str
    """Ours, in a sentence with numbers."""
    value: float | None
    """A difference or a rate, with its paired 95 % interval; None without data."""
    low: float | None
    high: float | None
    n: int
    """Number of problems."""
    compute: str
    """What was spent on each side: `matched` or `not matched`, and how."""
    holds: Holds
    """`yes`: the interval is on the side of the statement; `no`: on the other side; `unclear`: anything else."""


class PartResult(Record):
    """What a part found."""

    part: str
    findings: tuple[Finding, ...] = ()
    tables: dict[str, tuple[dict[str, Any], ...]] = Field(default_factory=dict)
    """Rows of numbers by name; figures are drawn from them alone."""
    left_out: str | None = None
    """Why the part, or some of it, could not run."""


@dataclass(frozen=True)
class StudyJob:
    """What every part gets."""

    settings: StudySettings
    problems: list[Problem]
    folder: Path
    """Folder of this part; runs lie in it or, if parts share them, beside it, and resume."""
    progress: Progress
    models: Mapping[str, BaseChatModel] = field(default_factory=dict)
    """Chat models that were given as such, by the name that the settings record."""
    shared: dict[str, list[Trace]] = field(default_factory=dict)
    """Finished problems of the runs so far, by the run's name, so that parts need not read them again."""
