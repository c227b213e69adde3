"""The data set that `critique-graph self-talk` leaves, one talk per row, and the traces it is made of."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from pydantic import JsonValue

from critique_graph.core.dataset_row import DatasetRow
from critique_graph.core.json_lines import read_records, write_json_lines
from critique_graph.core.schema import Problem, Record, Usage
from critique_graph.core.splice import SelfTalk, trajectory
from critique_graph.runs.journal import JournalRow
from critique_graph.runs.traces import finished_traces
from critique_graph.tasks.shipped import wording_of_rows

TALKS_SCHEMA = "critique-graph.talks/1"
TALK_ROW_SCHEMA = "critique-graph.self-talk/1"
TALKS = "self-talk.jsonl"


class TalkTrace(Record):
    """All talks about one problem (format `critique-graph.talks/1`)."""

    problem: Problem
    settings: dict[str, JsonValue]
    talks: tuple[SelfTalk, ...]
    usage: dict[str, Usage]
    seconds: float


class TalkRow(DatasetRow):
    """One talk that was kept (format `critique-graph.self-talk/1`)."""

    self_talk: str
    """The talk: steps, comments on them, mistakes and their repairs, and the answer."""
    path: str
    """The final path, without mistakes and without comments."""
    trajectory: list[str]
    """The same history as whole texts: the path as first written, its critique, the repaired path, and so on. It ends
    in the path that is correct, or in the critique of a path that was correct as first written."""
    is_correct: bool
    """Whether the path was correct as first written."""
    repairs: int
    """How many mistakes the talk has."""
    actor: str
    """The model that wrote the path and its repairs."""
    critic: str
    """The model that wrote the critiques, whose words are in the talk."""
    smoother: str
    """The model that rewrote the talk; `exact`: no model did."""


def read_talk_traces(rows: Iterable[JournalRow]) -> Iterator[TalkTrace]:
    """Give the traces of a journal's finished problems; see `finished_traces`."""
    return finished_traces(rows, TalkTrace, "self-talk")


def talk_rows(traces: Iterable[TalkTrace]) -> Iterator[TalkRow]:
    """Give the rows of the kept talks, in the order of problems and paths."""
    for trace in traces:
        for talk in trace.talks:
            if talk.drop is None:
                yield _row(trace, talk)


def _row(trace: TalkTrace, talk: SelfTalk) -> TalkRow:
    assert talk.response is not None
    return TalkRow(
        id=f"{trace.problem.id}/{talk.chain.index}",
        problem=trace.problem.id,
        question=trace.problem.question,
        reference=trace.problem.answer or "",
        level=trace.problem.level,
        source=trace.problem.source,
        prompts=wording_of_rows(trace.settings),
        self_talk=talk.response.text,
        path=talk.chain.responses[-1].text,
        trajectory=trajectory(talk.chain, with_reasoning=bool(trace.settings["reasoning"])),
        is_correct=was_correct(talk),
        repairs=talk.repairs,
        **{role: str(trace.settings[role]) for role in ("actor", "critic", "smoother")},
    )


def was_correct(talk: SelfTalk) -> bool:
    """Tell whether a path was correct as first written."""
    return talk.chain.response is not None and bool(talk.chain.response.is_correct)


def write_talks(folder: Path, rows: Iterable[TalkRow]) -> None:
    """Write rows into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json_lines(folder / TALKS, rows)


def find_talks(path: Path) -> Path | None:
    """Find the file of a data set, given a run folder, its `dataset` or the file itself; None where there is none."""
    places = [path, path / TALKS, path / "dataset" / TALKS]
    return next((place for place in places if place.name == TALKS and place.is_file()), None)


def read_talks(file: Path) -> Iterator[TalkRow]:
    """Give the rows of a data set's file.

    Raises:
        InputError: A line is not a row.
    """
    return read_records(file, TalkRow, f"a row of {TALK_ROW_SCHEMA}")
