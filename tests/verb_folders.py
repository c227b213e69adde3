"""Folders of other verbs than `run`, with texts that want to be markup in every field that holds texts of others."""

from pathlib import Path
from typing import Any

import orjson
from reported_runs import write_run

from critique_graph.runs.journal import JournalRow, read_journal
from critique_graph.runs.outcomes import Outcome

FREE = frozenset(
    (
        *(
            "id",
            "question",
            "answer",
            "solution",
            "source",
            "text",
            "explanation",
            "final_explanation",
            "model",
            "step",
        ),
        *("finish_reason", "reasoning", "description", "refinement", "message", "name", "winner", "warnings", "steps"),
        *("actor", "critic", "annotator", "smoother"),
    )
)
"""Fields of traces that hold texts of others."""
SIGNS = {
    "generate": {"annotator": "m", "actor": "m"},
    "self-talk": {"smoother": "m"},
    "compare": {"votes": 6, "seed": 0},
    "eval-critic": {"sources": ["file.jsonl"], "limit": None, "seed": 0},
    "improve": {"iterations": 2, "actor": "m", "critic": "m"},
    "study": {"only": [], "iterations": 3},
}


def spoiled(value: Any, text: str, key: str = "") -> Any:
    """The same JSON with a text in every free field."""
    match value:
        case dict():
            return {name: spoiled(found, text, name) for name, found in value.items()}
        case list():
            return [spoiled(found, text, key) for found in value]
        case str() if key in FREE:
            return text
    return value


def hostile_folder(folder: Path, verb: str, source: Path, given: list[str]) -> Path:
    traces = [orjson.loads(row.trace or b"") for row in read_journal(source / "journal.sqlite")]
    rows = []
    for number, text in enumerate(given):
        trace = traces[number % len(traces)]
        for parts in ("paths", "talks"):
            if parts in trace:
                trace = {**trace, parts: sorted(trace[parts], key=lambda part: part["drop"] is not None)[:3]}
        changed = spoiled(trace, text)
        changed["problem"]["id"] = f"{number} {text}"
        if verb == "eval-critic":
            changed["problem"] |= {"steps": [text, text], "label": 0}
        rows.append(JournalRow(changed["problem"]["id"], Outcome("done"), orjson.dumps(changed)))
    configuration = {**SIGNS[verb], "problems": given[0], given[1] or "x": given[2]}
    return write_run(folder, rows, configuration=configuration, state="stopped_early", reason=given[0], total=1000)
