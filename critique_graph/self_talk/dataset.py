"""The data set that `critique-graph self-talk` leaves, one talk a row, and what became of all of a run's talks."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import orjson
from pydantic import ConfigDict

from critique_graph.core.errors import InputError
from critique_graph.core.files import write_atomically
from critique_graph.core.schema import Record, Usage
from critique_graph.core.splice import SelfTalk, TalkDropReason, TalkTrace, trajectory
from critique_graph.metrics.intervals import Rate, wilson
from critique_graph.runs.journal import JournalRow

TALK_ROW_SCHEMA = "critique-graph.self-talk/1"
TALKS = "self-talk.jsonl"


class TalkRow(Record):
    """One talk that was kept (format `critique-graph.self-talk/1`)."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)

    id: str
    """The problem's id and the path's index."""
    question: str
    reference: str
    """The problem's answer."""
    level: int | None
    """Of difficulty, where the problem has one."""
    source: str | None
    """Where the problem is from."""
    self_talk: str
    """The talk: steps, what is said of them, mistakes and their repair, the answer."""
    path: str
    """The path at its end, without mistakes and without what is said of them."""
    trajectory: list[str]
    """The same one level up: whole paths and whole critiques in turn, beginning with the path as it was first written;
    it ends in the path that is right, or in the critique of one that was right at once."""
    is_correct: bool
    """Whether the path was right as it was first written."""
    repairs: int
    """Mistakes in the talk."""
    actor: str
    """The model that wrote the path and its repairs."""
    critic: str
    """The model whose words the talk has."""
    smoother: str
    """The model that rewrote it; `exact`: none."""


class TalkSummary(Record):
    """The findings of a run that makes self-talk, as `critique-graph self-talk --json` prints them."""

    problems: int
    done: int
    failed: int
    quarantined: int
    pending: int
    left_out: dict[str, int]
    """Problems not begun because they are near copies: of `excluded` sets, or `repeated`."""
    talks: int
    """Paths, of which each was kept or dropped."""
    kept: int
    repaired: int
    """Kept ones whose path was wrong as it was first written."""
    right: int
    """Kept ones whose path was right."""
    dropped: dict[TalkDropReason, int]
    kept_by_repairs: dict[int, int]
    """How many of the kept have so many mistakes."""
    repaired_share: Rate
    """Of the paths that were wrong as they were first written, those that were repaired and kept, or came to the same
    talk as one that was."""
    right_share: Rate
    """Of those that were right, those that were kept, likewise."""
    calls: dict[str, int]
    """By role."""
    tokens: dict[str, int]
    """By role, and `total`."""
    seconds: float
    run: str
    dataset: str


def read_talk_traces(rows: Iterable[JournalRow]) -> Iterator[TalkTrace]:
    """Give the traces of a journal's finished problems.

    Raises:
        InputError: The journal is of another verb.
    """
    for row in rows:
        if row.trace is not None and row.outcome.status == "done":
            try:
                yield TalkTrace.model_validate_json(row.trace)
            except ValueError as error:
                raise InputError(f"the trace of {row.id} is not one of `critique-graph self-talk`.") from error


def talk_rows(traces: Iterable[TalkTrace]) -> Iterator[TalkRow]:
    """Give the rows of what was kept, in the order of problems and paths."""
    for trace in traces:
        for talk in trace.talks:
            if talk.drop is None:
                yield _row(trace, talk)


def _row(trace: TalkTrace, talk: SelfTalk) -> TalkRow:
    assert talk.response is not None
    return TalkRow(
        id=f"{trace.problem.id}/{talk.chain.index}",
        question=trace.problem.question,
        reference=trace.problem.answer or "",
        level=trace.problem.level,
        source=trace.problem.source,
        self_talk=talk.response.text,
        path=talk.chain.responses[-1].text,
        trajectory=trajectory(talk.chain, with_reasoning=bool(trace.settings["reasoning"])),
        is_correct=was_right(talk),
        repairs=talk.repairs,
        **{role: str(trace.settings[role]) for role in ("actor", "critic", "smoother")},
    )


def was_right(talk: SelfTalk) -> bool:
    """Tell whether a path was right as it was first written."""
    first = talk.chain.response
    return first is not None and first.grade is not None and first.grade.is_correct


def write_talks(folder: Path, rows: Iterable[TalkRow]) -> None:
    """Write rows into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / TALKS, (orjson.dumps(row.model_dump(mode="json")) + b"\n" for row in rows))


def find_talks(path: Path) -> Path | None:
    """Give the file of a data set: of a run folder, its `dataset`, or the file itself; None where there is none."""
    places = [path, path / TALKS, path / "dataset" / TALKS]
    return next((place for place in places if place.name == TALKS and place.is_file()), None)


def read_talks(file: Path) -> Iterator[TalkRow]:
    """Give the rows of a data set's file.

    Raises:
        InputError: A line is not a row.
    """
    with file.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                yield TalkRow.model_validate_json(line)
            except ValueError as error:
                raise InputError(f"{file}, line {number} is not a row of {TALK_ROW_SCHEMA}.") from error


def summarise_talks(
    rows: Iterable[JournalRow],
    *,
    run: str,
    dataset: str,
    left_out: dict[str, int],
    seconds: float,
    total: int | None = None,
) -> TalkSummary:
    """Summarise a run's journal; talks of problems that are not done are not counted.

    Args:
        rows: The journal's problems.
        run: Path of the run folder.
        dataset: Path of the data set.
        left_out: Problems not begun, by reason.
        seconds: How long the run took, all sessions together.
        total: Problems in the set; None where unknown.
    """
    statuses, dropped, repairs = Counter[str](), Counter[TalkDropReason](), Counter[int]()
    made: dict[bool, Counter[bool]] = {True: Counter(), False: Counter()}
    usage: defaultdict[str, Usage] = defaultdict(Usage)

    def counted() -> Iterator[JournalRow]:
        for row in rows:
            statuses[row.outcome.status] += 1
            yield row

    for trace in read_talk_traces(counted()):
        for role, used in trace.usage.items():
            usage[role] += used
        for talk in trace.talks:
            made[was_right(talk)][talk.drop is None or talk.drop == "duplicate"] += 1
            if talk.drop is not None:
                dropped[talk.drop] += 1
            else:
                repairs[talk.repairs] += 1
    tokens = {role: used.total_tokens for role, used in sorted(usage.items())}
    tokens["total"] = sum(tokens.values())
    settled = {status: statuses[status] for status in ("done", "failed", "quarantined")}
    problems = max(total or 0, statuses.total())
    return TalkSummary(
        problems=problems,
        **settled,
        pending=problems - sum(settled.values()),
        left_out=left_out,
        talks=repairs.total() + dropped.total(),
        kept=repairs.total(),
        repaired=repairs.total() - repairs[0],
        right=repairs[0],
        dropped=dict(sorted(dropped.items())),
        kept_by_repairs=dict(sorted((number, count) for number, count in repairs.items() if count)),
        repaired_share=wilson(made[False][True], made[False].total()),
        right_share=wilson(made[True][True], made[True].total()),
        calls={role: used.calls for role, used in sorted(usage.items())},
        tokens=tokens,
        seconds=round(seconds, 3),
        run=run,
        dataset=dataset,
    )
