"""The page of a study: its findings beside the statements of the paper, and the tables behind them."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import orjson
from pydantic import Field, ValidationError

from critique_graph.core.errors import InputError
from critique_graph.core.schema import Record
from critique_graph.metrics.intervals import Rate
from critique_graph.output.terminal import escaped
from critique_graph.report.charts import rates_plot
from critique_graph.report.drawing import Plot, styled
from critique_graph.report.kinds import STUDY, manifest_of
from critique_graph.report.layout import Card, Look, Page, Table, recorded_settings, settings_of
from critique_graph.report.parts import runs_table
from critique_graph.report.svg import BAD, GOOD, MUTED

HOLDS: dict[str, tuple[str, Look]] = {
    "yes": ("holds", "good"),
    "no": ("does not hold", "bad"),
    "unclear": ("unclear", ""),
}
COLORS = {"yes": GOOD, "no": BAD, "unclear": MUTED}
FIGURES = ("state", "reason", "problems", "failed", "seconds")
"""What the study says of itself."""
LONGEST_OPEN = 30
"""Most rows of a table that is not folded."""


class ShownFinding(Record):
    """A finding, as `study.json` has it."""

    part: str
    name: str
    statement: str
    estimate: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0
    compute: str = ""
    holds: Literal["yes", "no", "unclear"]


class ShownPart(Record):
    """The result of a part, as `study.json` has it."""

    part: str
    findings: tuple[ShownFinding, ...] = ()
    tables: dict[str, tuple[dict[str, Any], ...]] = Field(default_factory=dict)
    left_out: str | None = None


def study_page(folder: Path, *, beside: Path) -> Page:
    """Make the page of a folder of `study`, from its `study.json`.

    Args:
        folder: The folder.
        beside: Folder of the page, from which its links go.

    Raises:
        InputError: The file is damaged, or has no part.
    """
    manifest = manifest_of(folder)
    content, parts = _read(folder / STUDY)
    findings = [finding for part in parts for finding in part.findings]
    name = folder.resolve().name
    gaps = [f"{part.part}: {part.left_out}" for part in parts if part.left_out]
    counts = Counter[str](finding.holds for finding in findings)
    with styled():
        plots = list(_plots(findings))
    return Page(
        verb="study",
        names=[name],
        cards=[
            Card(
                name,
                ", ".join(part.part for part in parts),
                f"{counts['yes']} of {len(findings)}",
                "statements of the paper hold here",
                [],
                [
                    (f"{counts[holds]} {words.replace('holds', 'hold').replace('does not', 'do not')}", look)
                    for holds, (words, look) in HOLDS.items()
                    if counts[holds]
                ],
                gaps,
            )
        ],
        figures=[(name, [_cell(content[name])]) for name in FIGURES if content.get(name) is not None],
        plots=plots,
        tables=[
            _findings_table(findings),
            *(table for part in parts for table in _tables(part)),
            runs_table(folder, beside),
        ],
        settings=settings_of([list(recorded_settings(manifest, {}))]),
        data={
            "runs": [{"name": escaped(name), "gaps": gaps}],
            "parts": [part.model_dump(mode="json") for part in parts],
        },
    )


def _read(file: Path) -> tuple[dict[str, Any], list[ShownPart]]:
    try:
        content = orjson.loads(file.read_bytes())
        given = content["parts"]
        parts = [ShownPart.model_validate(part) for part in (given.values() if isinstance(given, dict) else given)]
    except FileNotFoundError as error:
        raise InputError(f"{file}: no part of this study has ended; nothing can be shown.") from error
    except (orjson.JSONDecodeError, KeyError, TypeError, ValidationError) as error:
        raise InputError(f"{file} is not the result of a study: {' '.join(str(error).split())[:200]}") from error
    if not parts:
        raise InputError(f"{file}: no part of this study has ended; nothing can be shown.")
    return content, parts


def _plots(findings: Sequence[ShownFinding]) -> Iterator[Plot]:
    known = [finding for finding in findings if finding.value is not None and finding.low is not None]
    if known:
        held, failed = (sum(finding.holds == holds for finding in known) for holds in ("yes", "no"))
        yield rates_plot(
            f"{held} of {len(known)} statements with an interval hold (blue), {failed} do not (orange)",
            [(f"{finding.part}: {finding.name.replace('_', ' ')}", _rate(finding)) for finding in known],
            name="findings",
            unit="points",
            axis="our estimate in points",
            colors=[COLORS[finding.holds] for finding in known],
            longest=60,
        )


def _rate(finding: ShownFinding) -> Rate:
    return Rate(value=finding.value, low=finding.low, high=finding.high, n=finding.n)


def _findings_table(findings: Sequence[ShownFinding]) -> Table:
    rows = [
        (
            finding.part,
            finding.statement,
            finding.estimate,
            _rate(finding).percent(sign="+", unit="points"),
            f"{finding.n:,}",
            finding.compute,
            HOLDS[finding.holds][0],
        )
        for finding in findings
    ]
    columns = ("part", "the paper says", "here", "95 % interval", "n", "compute", "")
    return Table("Findings", columns, rows, looks=dict(HOLDS.values()))


def _tables(part: ShownPart) -> Iterator[Table]:
    for name, rows in part.tables.items():
        columns = list(dict.fromkeys(key for row in rows for key in row))
        yield Table(
            f"{part.part}: {name.replace('_', ' ')}",
            [column.replace("_", " ") for column in columns],
            [[_cell(row.get(column)) for column in columns] for row in rows],
            is_closed=len(rows) > LONGEST_OPEN,
        )


def _cell(value: Any) -> str:
    """Write a value of a table: a rate with its interval, numbers short, everything else as it is."""
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:.4g}"
        case {"value": _, "low": _, "high": _, "n": _}:
            try:
                rate = Rate.model_validate(value)
            except ValidationError:
                return str(value)
            return f"{rate.percent()}, n = {rate.n}"
        case str():
            return value
        case _:
            return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()
