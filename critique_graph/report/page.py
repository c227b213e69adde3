"""Writes a page: the template, with the one script and the one style that its policy permits, by their hashes."""

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from critique_graph.core.errors import InputError, MissingDependencyError
from critique_graph.core.files import write_atomically
from critique_graph.metrics.intervals import Rate
from critique_graph.output.terminal import escaped
from critique_graph.report.contents import Contents, Shown, collect, index_of
from critique_graph.report.plots import draw_plots

ENDINGS = (".html", ".htm")
_PACKAGES = ("jinja2", "latex2mathml", "matplotlib")
_FILES = files("critique_graph.report") / "page"


def check_report(path: Path) -> None:
    """Check that a report can be written, before anything is read.

    Raises:
        InputError: The name is not one of an HTML file, or its folder does not exist.
        MissingDependencyError: The extra is not installed.
    """
    if path.suffix.lower() not in ENDINGS:
        raise InputError(f"--out {path}: the ending must be .html.")
    if not path.parent.is_dir():
        raise InputError(f"--out {path}: there is no folder {path.parent}.")
    for package in _PACKAGES:
        try:
            __import__(package)
        except ImportError as error:
            raise MissingDependencyError(package, extra="report", purpose="critique-graph report") from error


def write_report(folders: Sequence[Path], path: Path) -> Contents:
    """Write one page that shows runs side by side, and give what it holds.

    Args:
        folders: Folders of `critique-graph run`.
        path: The file; one that exists is replaced.

    Raises:
        InputError, RunError: A folder cannot be shown, or the file cannot be written.
        MissingDependencyError: The extra is not installed.
    """
    check_report(path)
    contents = collect(folders)
    write_atomically(path, (part.encode() for part in _parts(contents)))
    return contents


def _parts(contents: Contents) -> Iterator[str]:
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    style, script, template = (
        (_FILES / f"page.{ending}").read_text(encoding="utf-8") for ending in ("css", "js", "html")
    )
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["visible"] = lambda value: escaped(str(value))
    runs = contents.runs
    yield from environment.from_string(template).generate(
        title=" · ".join(run.name for run in runs),
        runs=runs,
        figures=_figures(runs),
        costs=_costs(runs),
        settings=_settings(runs),
        plots=[(plot, Markup(plot.svg)) for plot in draw_plots(runs)],  # noqa: S704 - ElementTree escaped its texts
        index=Markup(_harmless(index_of(contents).decode())),  # noqa: S704 - no `<` is left in it
        blocks=contents.blocks,
        style=Markup(style),  # noqa: S704 - a file of this package
        script=Markup(script),  # noqa: S704 - a file of this package
        style_hash=_hash(style),
        script_hash=_hash(script),
    )


def _harmless(json: str) -> str:
    """Write JSON so that no HTML can begin or end in it."""
    return json.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _figures(runs: Sequence[Shown]) -> list[tuple[str, list[str]]]:
    """Give the figures of all runs: a name, and for every run a text; those that no run has are left out."""
    columns = [dict(_figures_of(run, runs[0])) for run in runs]
    names = list(dict.fromkeys(name for column in columns for name in column))
    return [(name, [column.get(name, "-") for column in columns]) for name in names]


def _figures_of(run: Shown, first: Shown) -> Iterator[tuple[str, str]]:
    summary = run.summary
    yield "state", {"running": "not ended", "stopped_early": "stopped early"}.get(summary.state, summary.state)
    yield "problems", summary.outcomes_in_words({"ungraded": summary.ungraded})
    if summary.accuracy_final.n:
        yield "accuracy of first responses", _rate(summary.accuracy_first)
        yield "accuracy of final answers", _rate(summary.accuracy_final)
        against = run.against_first
        if against is not None and against.n:
            yield f"final answers against {first.name}, paired", _points(against)
        yield "gain over first responses, paired", _points(summary.gain)
        flips = summary.flips
        yield "wrong → correct", f"{flips.wrong_to_right} problems"
        yield "correct → wrong", f"{flips.right_to_wrong} problems"
    critic = summary.critic
    for name, rate in (
        ("verdicts as the reference", critic.discriminability),
        ("verdicts on correct responses", critic.discriminability_on_right),
        ("verdicts on wrong responses", critic.discriminability_on_wrong),
    ):
        if rate.n:
            yield name, _rate(rate)
    if summary.readable_critiques.n:
        yield "readable critiques", _rate(summary.readable_critiques)
    if summary.bare_refinements.value:
        yield "refinements of an answer alone", _rate(summary.bare_refinements)
    yield "truncated responses", f"{summary.truncated_responses}"
    tokens = summary.tokens
    yield "tokens", f"{tokens.actor:,} actor + {tokens.critic:,} critic = {tokens.total:,}"
    if tokens.cached:
        yield "prompts from the cache", f"{tokens.cached / tokens.prompts:.0%} of {tokens.prompts:,} tokens"
    yield "time", f"{summary.seconds:,.1f} s"


def _points(rate: Rate) -> str:
    return f"{rate.percent(sign='+', unit='points')}, n = {rate.n}"


def _rate(rate: Rate) -> str:
    return f"{rate.percent()}, n = {rate.n}"


def _costs(runs: Sequence[Shown]) -> list[tuple[str, str, list[dict[str, str] | None]]]:
    """Give role, round and the cost of every run, in the order of the loop."""
    found = [{(cost.round, cost.role): cost for cost in run.costs} for run in runs]
    keys = sorted({key for costs in found for key in costs}, key=lambda key: (key[0], key[1] != "critic"))
    return [
        (
            key[1],
            "first responses" if key[0] == 0 else f"round {key[0]}",
            [
                {
                    "calls": f"{cost.usage.calls:,}",
                    "tokens": "unknown"
                    if cost.usage.calls and cost.usage.calls == cost.usage.unknown_calls
                    else f"{cost.usage.total_tokens:,}",
                    "seconds": f"{cost.seconds:,.1f}",
                }
                if cost
                else None
                for cost in (costs.get(key) for costs in found)
            ],
        )
        for key in keys
    ]


def _settings(runs: Sequence[Shown]) -> list[tuple[str, list[str], bool]]:
    """Give name, values and whether they differ, of everything that was set or installed; what differs comes first."""
    columns = [dict(_settings_of(run.manifest, run.models)) for run in runs]
    names = list(dict.fromkeys(name for column in columns for name in column))
    found = [(name, [column.get(name, "-") for column in columns]) for name in names]
    listed = [(name, values, len(set(values)) > 1) for name, values in found]
    return sorted(listed, key=lambda row: not row[2])


def _settings_of(manifest: Mapping[str, Any], models: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, value in manifest["configuration"].items():
        if value is not None:
            yield name.replace("_", " "), str(value)
    for role, model in models.items():
        yield f"{role}, as it answered", model
    yield "hash of the prompts", str(manifest["prompts"])
    for name, version in manifest.get("versions", {}).items():
        if version is not None:
            yield f"version of {name}", str(version)
