"""Run folders as a run leaves them, written from journal rows; and what a page holds, read back from its file."""

import asyncio
import base64
import itertools
import json
import zlib
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import orjson
from hostile_texts import MARKUP, TEXTS
from journal_rows import row

from critique_graph.core.async_node import wait_for
from critique_graph.core.schema import BallotEntry, Failure, Grade, Problem, Trace
from critique_graph.runs.folder import open_run
from critique_graph.runs.journal import JournalRow
from critique_graph.runs.outcomes import Outcome

MIXED = [
    row("a", "right", "right", verdict="correct", level=1),
    row("b", "right", "wrong", level=1),
    row("c", "wrong", "right", level=2),
    row("d", "wrong", "right", verdict=None, level=2),
    row("e", "wrong", "wrong", verdict="correct", finish_reason="length", level=2),
    row("f", "right", "ungraded"),
    row("g", "wrong", "right", status="failed"),
    JournalRow("h", Outcome("quarantined", "RuntimeError: no worker"), None),
]
BREAKOUTS = ("", '">', "'>", "</script>", "</style>", "-->", "]]>", "</textarea></title>", "</svg>", "\\u003c/script>")
PAYLOADS = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<iframe src=javascript:alert(1)>",
    "<a href='javascript:alert(1)'>x</a>",
    "<!--<script>",
    "<math><mi xlink:href='data:text/html,<script>alert(1)</script>'>",
    "<style>@import 'http://x.invalid'</style>",
    "{{ 7 * 7 }}{% raw %}",
    r"$\href{javascript:alert(1)}{\text{<script>alert(1)</script>}}$",
)
XSS = [breakout + payload for breakout, payload in itertools.product(BREAKOUTS, PAYLOADS)]


def texts() -> list[str]:
    return [*XSS, *TEXTS.values(), *MARKUP]


def write_run(
    folder: Path,
    rows: list[JournalRow],
    *,
    configuration: dict[str, Any] | None = None,
    total: int | None = None,
    **findings: Any,
) -> Path:
    """Write the folder of a run whose problems ended as `rows` say; those of `total` that have no row are pending."""
    with open_run(folder, configuration or {"actor": "a", "critic": "c", "gate": "when_wrong"}, prompts="abc") as run:

        async def settle(position: int, row: JournalRow) -> None:
            problem = Problem(**orjson.loads(row.trace)["problem"]) if row.trace else Problem(id=row.id, question="?")
            with run.journal.problem(problem, position):
                if row.outcome.status != "pending":
                    await run.journal.settle(problem, row.outcome, row.trace)

        async def settle_all() -> None:
            await asyncio.gather(*(settle(position, ended) for position, ended in enumerate(rows)))

        wait_for(settle_all())
        run.write_traces()
        counts = run.journal.counts()
        if total is not None:
            counts["pending"] = total - len(rows)
        run.write_manifest(**{"state": "complete", "outcomes": counts, **findings})
    return folder


@dataclass(eq=False)
class Page(HTMLParser):
    """The elements of a page, as a parser of HTML sees them, and its data."""

    tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)
    """Contents of the scripts by their ids; that of the one without an id under `""`, and that of the style."""
    _inside: str | None = None

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = None
        if tag in ("script", "style"):
            self._inside = "style" if tag == "style" else dict(attrs).get("id") or ""
            assert self._inside not in self.texts
            self.texts[self._inside] = ""

    def handle_data(self, data: str) -> None:
        if self._inside is not None:
            self.texts[self._inside] += data

    def handle_endtag(self, tag: str) -> None:
        self._inside = None

    @property
    def index(self) -> dict[str, Any]:
        return json.loads(self.texts["index"])

    @property
    def trees(self) -> list[dict[str, Any]]:
        """The trees of all blocks, in order."""
        blocks = [text for name, text in self.texts.items() if name.startswith("block-")]
        return [tree for text in blocks for tree in json.loads(zlib.decompress(base64.b64decode(json.loads(text))))]


def read_page(file: Path) -> Page:
    """Parse a page."""
    page = Page()
    page.feed(file.read_text(encoding="utf-8"))
    page.close()
    return page


def with_text(found: JournalRow, text: str) -> JournalRow:
    trace = Trace.model_validate_json(found.trace or b"")
    chain = trace.chains[0]
    assert chain.response is not None
    changed = chain.model_copy(update={"response": chain.response.model_copy(update={"text": text})})
    changed_trace = trace.model_copy(update={"chains": (changed,)})
    return JournalRow(found.id, found.outcome, changed_trace.model_dump_json(by_alias=True).encode())


def hostile_rows(given: list[str]) -> list[JournalRow]:
    """Problems with a text in every field that has text."""
    rows = []
    for number, text in enumerate(given):
        trace = Trace.model_validate_json(row(f"{number}", "wrong", "right", level=number % 3).trace or b"")
        chain = trace.chains[0]
        assert chain.response is not None
        refinement = chain.rounds[0].refinement
        assert refinement is not None
        call = chain.response.call.model_copy(update={"model": text, "finish_reason": text, "reasoning": text})
        said = {"text": text, "answer": text, "call": call}
        round_ = chain.rounds[0]
        step = {"text": text, "verdict": "wrong", "explanation": text, "step_index": 0}
        critique = round_.critique.model_validate(
            {"text": text, "steps": [step], "final": "wrong", "final_explanation": text, "warnings": [text]}
        )
        changed = chain.model_copy(
            update={
                "response": chain.response.model_copy(update=said),
                "rounds": (
                    round_.model_copy(
                        update={
                            "critique": critique,
                            "call": call,
                            "refinement": refinement.model_copy(update=said),
                            "discarded": (refinement.model_copy(update=said),),
                        }
                    ),
                ),
                "failure": Failure(kind="error", message=text),
            }
        )
        problem = Problem(
            id=f"{number} {text}", question=text, answer=text, solution=text, source=text, level=number % 3
        )
        hostile = trace.model_copy(
            update={
                "problem": problem,
                "chains": (changed,),
                "answer": text,
                "ballot": trace.ballot.model_copy(
                    update={"entries": (BallotEntry(answer=text, weight=1, chains=(0,)),), "winner": text}
                ),
                "grade": Grade(outcome="correct", reason=text),
            }
        )
        rows.append(JournalRow(problem.id, Outcome("failed", text), hostile.model_dump_json(by_alias=True).encode()))
    rows.append(row("graded", "wrong", "right", level=1))
    rows[-1] = with_text(rows[-1], given[0])
    return rows
