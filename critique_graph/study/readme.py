"""Writes what a study found as a results section in Markdown."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from critique_graph.output.cards import card, settings_section, table
from critique_graph.study.figures import FIGURES
from critique_graph.study.part import Finding, PartResult
from critique_graph.study.settings import StudySettings

if TYPE_CHECKING:
    from critique_graph.study.run import Study

MOST_ROWS = 30
"""Maximum number of rows of a table that the README shows; `study.json` has all tables."""
BY_PROBLEM = "problems"
"""Name of tables with a row for each problem, which the README does not show."""
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|!~$&])")


def readme(study: "Study", settings: StudySettings) -> str:
    """Write the README of a study's folder."""
    findings = [finding for part in study.parts for finding in part.findings]
    counts = {name: sum(finding.holds == name for finding in findings) for name in ("yes", "no", "unclear")}
    actor, critic = _plain(str(settings.actor)), _plain(str(settings.critic))
    lead = (
        f"Actor {actor}, critic {critic}, {study.problems:,} problems of {_plain(settings.problems)}, seed "
        f"{settings.seed}. Of {len(findings)} findings {counts['yes']} hold, {counts['no']} do not, and "
        f"{counts['unclear']} are unclear. Brackets are 95 % intervals; differences are paired by problem unless they "
        "say otherwise. A finding holds if its whole interval is on the side of the statement, and does not if it is "
        "on the other side. The statements are those of the paper, in our words; the paper's numbers are not known to "
        "this program. With several findings, about one interval in twenty misses the truth."
    )
    if study.state != "complete":
        lead += (
            f"\n\n**The study is not finished** ({_plain(study.reason or study.state)}): the same command resumes it."
        )
    if study.failed:
        lead += f"\n\n{study.failed} times a problem failed in one of the runs; it is left out there."
    overview = table(
        ("part", "finding", "difference", "n", "holds"),
        [(part.part, f"`{f.name}`", _difference(f), f.n, f.holds) for part in study.parts for f in part.findings],
    )
    sections = {"Findings": overview if findings else ""}
    for part in study.parts:
        drawn = (Path(study.run) / FIGURES / f"{part.part}.svg").is_file()
        sections[_heading(part.part)] = "\n\n".join(_paragraphs(part, drawn=drawn))
    return card("Study", lead, {**sections, "Settings": settings_section(settings.recorded())})


def _paragraphs(part: PartResult, *, drawn: bool) -> Iterator[str]:
    if part.left_out is not None:
        yield f"Left out: {_plain(part.left_out)}"
    for finding in part.findings:
        yield (
            f"**{finding.holds}** · {_plain(finding.statement)} *Measured:* {_plain(finding.estimate)} "
            f"n = {finding.n}; compute {_plain(finding.compute)}."
        )
    if drawn:
        yield f"![{_heading(part.part)}]({FIGURES}/{part.part}.svg)"
    for name, rows in part.tables.items():
        if len(rows) > MOST_ROWS or name == BY_PROBLEM:
            yield f"Table `{name}` of {len(rows):,} rows is in `study.json`."
        elif rows:
            yield f"Table `{name}`:"
            yield _rows(rows)


def _rows(rows: Sequence[Mapping[str, Any]]) -> str:
    names = tuple(rows[0])
    return table(names, [tuple(_cell(row.get(name)) for name in names) for row in rows])


def _difference(finding: Finding) -> str:
    if finding.value is None or finding.low is None or finding.high is None:
        return "-"
    return f"{100 * finding.value:+.1f} [{100 * finding.low:+.1f}, {100 * finding.high:+.1f}]"


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.3f}" if abs(value) < 10 else f"{value:,.1f}"
    return _plain(str(value))


def _heading(part: str) -> str:
    return part.replace("_", "-").capitalize()


def _plain(text: str) -> str:
    """Write a text of others so that Markdown shows it as it is, on one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))
