"""What every round did, without references: the critic said wrong, the actor changed its answer, the vote moved."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from critique_graph.core.schema import Chain, Record
from critique_graph.grading.exact import compare_exactly, parse_answer
from critique_graph.metrics.intervals import Rate, clustered_share, wilson

LONGEST_ANSWER = 200
"""Most characters of answers that are compared as mathematics; longer ones are equal if they are spelled the same."""


class RoundChanges(Record):
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
    """Counts of every round over the problems read so far, as pairs of hits and cases of a problem."""

    said_wrong: defaultdict[int, list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))
    changed: defaultdict[int, list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))
    moved: defaultdict[int, list[bool]] = field(default_factory=lambda: defaultdict(list))

    def add(self, chains: Sequence[Chain]) -> None:
        """Count the chains of one problem."""
        answers = [list(_answers(chain)) for chain in chains]
        groups = _Groups()
        for number in range(1, 1 + max((len(chain.rounds) for chain in chains), default=0)):
            taken = [(chain, kept) for chain, kept in zip(chains, answers, strict=True) if len(chain.rounds) >= number]
            verdicts = [chain.rounds[number - 1].critique.final for chain, _ in taken]
            self.said_wrong[number].append((verdicts.count("wrong"), len(verdicts)))
            refined = [kept for chain, kept in taken if chain.rounds[number - 1].is_refined]
            changes = [groups.of(kept[number]) != groups.of(kept[number - 1]) for kept in refined]
            self.changed[number].append((sum(changes), len(changes)))
            before, after = (
                groups.leaders([kept[min(at, len(kept) - 1)] for kept in answers]) for at in (number - 1, number)
            )
            self.moved[number].append(before != after and not before & after)

    def rounds(self) -> tuple[RoundChanges, ...]:
        """Give the rates of every round."""
        return tuple(
            RoundChanges(
                round=number,
                critic_said_wrong=_share(said_wrong),
                actor_changed_answer=_share(self.changed[number]),
                vote_moved=wilson(sum(self.moved[number]), len(self.moved[number])),
            )
            for number, said_wrong in sorted(self.said_wrong.items())
        )


def _answers(chain: Chain) -> Iterator[str | None]:
    """Give the answer that counts for a chain: of its first response, then after each round."""
    current = None if chain.response is None or chain.response.is_truncated else chain.response.answer
    yield current
    for turn in chain.rounds:
        if turn.refinement is not None and turn.is_refined:
            current = turn.refinement.answer
        yield current


class _Groups:
    """Numbers the different answers of a problem."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}

    def of(self, answer: str | None) -> int | None:
        """Give the number of an answer; None has none."""
        if answer is None:
            return None
        if answer not in self._known:
            same = (number for known, number in self._known.items() if is_same_answer(known, answer))
            self._known[answer] = next(same, len(self._known))
        return self._known[answer]

    def leaders(self, answers: Sequence[str | None]) -> set[int]:
        """Give the most frequent answers, None left out."""
        counts: defaultdict[int, int] = defaultdict(int)
        for answer in answers:
            if (number := self.of(answer)) is not None:
                counts[number] += 1
        return {number for number, count in counts.items() if count == max(counts.values())}


def is_same_answer(a: str | None, b: str | None) -> bool:
    """Tell whether two answers are equal, by spelling or exactly; those that only math-verify equates count as two."""
    if a is None or b is None or a == b:
        return a == b
    return max(len(a), len(b)) <= LONGEST_ANSWER and compare_exactly(parse_answer(a), parse_answer(b)) is True


def _share(pairs: Sequence[tuple[int, int]]) -> Rate:
    hits, sizes = [hit for hit, _ in pairs], [size for _, size in pairs]
    if max(sizes, default=0) <= 1:
        return wilson(sum(hits), sum(sizes))
    return clustered_share(hits, sizes)
