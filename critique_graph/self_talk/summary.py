"""What a run of `self-talk` found: talks kept and dropped, and what they cost."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

from critique_graph.core.schema import Record, Usage
from critique_graph.core.splice import TalkDropReason
from critique_graph.metrics.intervals import Rate, wilson
from critique_graph.runs.journal import JournalRow
from critique_graph.self_talk.dataset import read_talk_traces, was_right


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
