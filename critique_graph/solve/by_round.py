"""What every round did, without references: the critic said wrong, the actor changed its answer, the vote moved."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from critique_graph.core.schema import Record, RoundChanges
from critique_graph.metrics.intervals import Rate, clustered_share, wilson


class RoundRates(Record):
    """What one round did. Every `n` counts problems; several chains of a problem resemble each other."""

    round: int
    """1 is the first critique and refinement of every chain."""
    critic_said_wrong: Rate
    """Share of critiques whose final verdict is wrong; one that cannot be read did not say so."""
    actor_changed_answer: Rate
    """Share of complete refinements whose answer is another than that of the response they refine."""
    vote_moved: Rate
    """Share of problems, of those with a critique in this round, in which the most frequent answer of all chains is
    another than before the round. Where several are equally frequent, it moved if none of them stayed."""


@dataclass
class RoundsTally:
    """What every round did to the problems read so far."""

    by_round: defaultdict[int, Counter[RoundChanges]] = field(default_factory=lambda: defaultdict(Counter))
    """Number of problems with the same changes, so that memory does not grow with the number of problems."""

    def add(self, problem: Iterable[RoundChanges]) -> None:
        """Count what the rounds did to one problem."""
        for changes in problem:
            self.by_round[changes.round][changes] += 1

    def rounds(self) -> tuple[RoundRates, ...]:
        """Give the rates of every round."""
        return tuple(
            RoundRates(
                round=number,
                critic_said_wrong=_share([(problem.said_wrong, problem.critiques) for problem in counts.elements()]),
                actor_changed_answer=_share([(problem.changed, problem.refinements) for problem in counts.elements()]),
                vote_moved=wilson(sum(problem.is_vote_moved for problem in counts.elements()), counts.total()),
            )
            for number, counts in sorted(self.by_round.items())
        )


def _share(pairs: Sequence[tuple[int, int]]) -> Rate:
    hits, sizes = [hit for hit, _ in pairs], [size for _, size in pairs]
    if max(sizes, default=0) <= 1:
        return wilson(sum(hits), sum(sizes))
    return clustered_share(hits, sizes)
