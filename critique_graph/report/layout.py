"""What a page consists of, whatever verb made the folder: the template draws these, and escapes every text."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from critique_graph.metrics.intervals import Rate
from critique_graph.report.blocks import Row
from critique_graph.report.drawing import Plot
from critique_graph.report.kinds import Verb

Look = Literal["good", "bad", ""]


@dataclass(frozen=True)
class Card:
    """A folder in short."""

    name: str
    models: str
    big: str
    """The one figure to see first."""
    big_note: str
    lines: Sequence[tuple[str, str]] = ()
    """What is said, and the figure that ends it."""
    chips: Sequence[tuple[str, Look]] = ()
    gaps: Sequence[str] = ()
    """What the folder lacks, or what its reader must know."""


@dataclass(frozen=True)
class Table:
    """A table of figures."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""
    links: Mapping[str, str] = field(default_factory=dict)
    """Addresses of the texts that are links."""
    looks: Mapping[str, Look] = field(default_factory=dict)
    """Texts that are shown as a verdict, with their looks."""
    is_closed: bool = False
    """Whether the table is opened on demand."""


@dataclass(frozen=True)
class Filter:
    """A choice by which the table of problems is filtered."""

    name: str
    options: Sequence[tuple[str, str]]
    """Value and name of each option; a problem passes if one of its parts has the chosen values of all filters."""


@dataclass(frozen=True)
class Page:
    """All that a page holds."""

    verb: Verb
    names: Sequence[str]
    """The folders."""
    cards: Sequence[Card]
    figures: Sequence[tuple[str, Sequence[str]]]
    """Names of figures, and for every folder a text."""
    plots: Sequence[Plot]
    settings: Sequence[tuple[str, Sequence[str], bool]]
    """Names, values for every folder, and whether they differ."""
    data: Mapping[str, Any]
    """What the page's script, and whoever reads the file, gets besides the rows."""
    tables: Sequence[Table] = ()
    costs: Sequence[tuple[str, str, Sequence[dict[str, str] | None]]] = ()
    """For runs: role, round and cost in every run."""
    filters: Sequence[Filter] = ()
    rows: Sequence[Row] = ()
    blocks: Sequence[str] = ()
    """Each a JSON list of trees, compressed (zlib) and in base 64."""


def rate_of(rate: Rate) -> str:
    """Write a rate with its interval and its number of cases."""
    return f"{rate.percent()}, n = {rate.n}"


def points_of(rate: Rate) -> str:
    """Write a difference with its interval and its number of cases."""
    return f"{rate.percent(sign='+', unit='points')}, n = {rate.n}"


def state_of(state: str) -> str:
    """Say how a run ended."""
    return {"running": "not ended", "stopped_early": "stopped early"}.get(state, state)


def settings_of(columns: Sequence[Sequence[tuple[str, str]]]) -> list[tuple[str, list[str], bool]]:
    """Give name, values and whether they differ, of everything that was set or installed; what differs comes first."""
    found = lined_up(columns)
    listed = [(name, values, len(set(values)) > 1) for name, values in found]
    return sorted(listed, key=lambda row: not row[2])


def lined_up(columns: Sequence[Sequence[tuple[str, str]]]) -> list[tuple[str, list[str]]]:
    """Give each name with its text in every column."""
    known = [dict(column) for column in columns]
    names = list(dict.fromkeys(name for column in known for name in column))
    return [(name, [column.get(name, "-") for column in known]) for name in names]


def recorded_settings(manifest: Mapping[str, Any], models: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Give what a manifest records: settings, models by role as they answered, hash of the prompts, versions."""
    for name, value in manifest["configuration"].items():
        if value is not None:
            yield name.replace("_", " "), str(value)
    for role, model in models.items():
        yield f"{role}, as it answered", model
    yield "hash of the prompts", str(manifest["prompts"])
    for name, version in manifest.get("versions", {}).items():
        if version is not None:
            yield f"version of {name}", str(version)
