"""What a run of `self-talk` found: talks kept and dropped, and what they cost."""

from collections import Counter

from critique_graph.core.splice import TalkDropReason
from critique_graph.metrics.intervals import Rate, wilson
from critique_graph.runs.record import FinishedRun, RunRecord, spent
from critique_graph.self_talk.dataset import read_talk_traces, was_correct


class TalkSummary(RunRecord):
    """The findings of a run that makes self-talk, as `critique-graph self-talk --json` prints them."""

    left_out: dict[str, int]
    """Number of problems left out: `test`, questions of public test sets; near copies of problems in excluded sets
    (`excluded`) and of earlier problems (`repeated`)."""
    talks: int
    """Number of paths, each of which was kept or dropped."""
    kept: int
    repaired: int
    """Number of kept talks whose path was wrong as first written."""
    right: int
    """Number of kept talks whose path was correct as first written."""
    dropped: dict[TalkDropReason, int]
    kept_by_repairs: dict[int, int]
    """Number of kept talks by their number of mistakes."""
    repaired_share: Rate
    """Share of initially wrong paths that were repaired and kept (duplicates count as kept)."""
    right_share: Rate
    """Share of initially correct paths that were kept (duplicates count as kept)."""
    calls: dict[str, int]
    """Calls by role."""
    tokens: dict[str, int]
    """Tokens by role, and their `total`."""
    dataset: str


def summarise_talks(run: FinishedRun, *, dataset: str) -> TalkSummary:
    """Summarise a run; talks of problems that are not done are not counted, but what they cost is.

    Args:
        run: The run.
        dataset: Path of the data set.
    """
    dropped, repairs = Counter[TalkDropReason](), Counter[int]()
    made: dict[bool, Counter[bool]] = {True: Counter(), False: Counter()}

    for trace in read_talk_traces(run.rows()):
        for talk in trace.talks:
            made[was_correct(talk)][talk.drop is None or talk.drop == "duplicate"] += 1
            if talk.drop is not None:
                dropped[talk.drop] += 1
            else:
                repairs[talk.repairs] += 1
    return TalkSummary(
        **run.counts(),
        **spent(run.usage()),
        left_out=dict(run.left_out),
        talks=repairs.total() + dropped.total(),
        kept=repairs.total(),
        repaired=repairs.total() - repairs[0],
        right=repairs[0],
        dropped=dict(sorted(dropped.items())),
        kept_by_repairs=dict(sorted((number, count) for number, count in repairs.items() if count)),
        repaired_share=wilson(made[False][True], made[False].total()),
        right_share=wilson(made[True][True], made[True].total()),
        dataset=dataset,
    )
