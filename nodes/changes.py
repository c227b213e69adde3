"""What every round did to one problem, without references: it was called wrong, its answer changed, the vote moved."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

from critique_graph.core.schema import Chain, Response, RoundChanges
from critique_graph.grading.exact import compare_exactly, parse_answer
from critique_graph.grading.functions import plain_text
from critique_graph.tasks.code import CODE_TASKS, is_same_program
from critique_graph.tasks.task import MATH

LONGEST_ANSWER = 200
"""Most characters of answers that are compared as mathematics; longer ones are equal if they are spelled the same."""


IsSame = Callable[[str | None, str | None], bool]


def changes_of(chains: Sequence[Chain], task: str = MATH.name) -> tuple[RoundChanges, ...]:
    """Count what every round of the chains of one problem did; `task` is the name of its task.

    In a pool, the refinements of a round are chains of their own.
    """
    if any(chain.parent is not None for chain in chains):
        return tuple(_pool_changes(chains, _Groups(same_answers(task))))
    counting = [list(_counting(chain)) for chain in chains]
    groups = _Groups(same_answers(task))
    return tuple(
        _changes(number, chains, counting, groups)
        for number in range(1, 1 + max((len(chain.rounds) for chain in chains), default=0))
    )


def _changes(
    number: int, chains: Sequence[Chain], counting: Sequence[Sequence[Response | None]], groups: "_Groups"
) -> RoundChanges:
    taken = [(chain, kept) for chain, kept in zip(chains, counting, strict=True) if len(chain.rounds) >= number]
    refined = [kept for chain, kept in taken if kept[number] is not kept[number - 1]]
    before, after = (
        groups.leaders([_answer(kept[min(at, len(kept) - 1)]) for kept in counting]) for at in (number - 1, number)
    )
    return RoundChanges(
        round=number,
        critiques=len(taken),
        said_wrong=sum(chain.rounds[number - 1].critique.final == "wrong" for chain, _ in taken),
        refinements=len(refined),
        changed=sum(groups.of(_answer(kept[number])) != groups.of(_answer(kept[number - 1])) for kept in refined),
        is_vote_moved=before != after and not before & after,
    )


def _pool_changes(pool: Sequence[Chain], groups: "_Groups") -> Iterator[RoundChanges]:
    depths: list[int] = []
    for chain in pool:  # a parent comes before its refinements
        depths.append(0 if chain.parent is None else depths[chain.parent] + 1)
    answers = [groups.of(_answer(chain.latest)) for chain in pool]
    for number in range(1, 1 + max(depths)):
        critiqued = [c.rounds[0] for c, depth in zip(pool, depths, strict=True) if depth == number - 1 and c.rounds]
        grown = [
            (answer, answers[chain.parent])
            for chain, answer, depth in zip(pool, answers, depths, strict=True)
            if depth == number and chain.parent is not None and chain.latest is not None
        ]
        before, after = (
            groups.leaders([_answer(chain.latest) for chain, depth in zip(pool, depths, strict=True) if depth <= at])
            for at in (number - 1, number)
        )
        yield RoundChanges(
            round=number,
            critiques=len(critiqued),
            said_wrong=sum(turn.critique.final == "wrong" for turn in critiqued),
            refinements=len(grown),
            changed=sum(answer != refined for answer, refined in grown),
            is_vote_moved=before != after and not before & after,
        )


def _answer(response: Response | None) -> str | None:
    return None if response is None else response.complete_answer


def _counting(chain: Chain) -> Iterator[Response | None]:
    """Give the response that counts for a chain: at first, then after each round."""
    current = chain.response
    yield current
    for turn in chain.rounds:
        current = turn.kept(current)
        yield current


class _Groups:
    """Numbers the different answers of a problem."""

    def __init__(self, is_same: IsSame) -> None:
        self._known: dict[str, int] = {}
        self._is_same = is_same

    def of(self, answer: str | None) -> int | None:
        """Give the number of an answer; None has none."""
        if answer is None:
            return None
        if answer not in self._known:
            same = (number for known, number in self._known.items() if self._is_same(known, answer))
            self._known[answer] = next(same, len(self._known))
        return self._known[answer]

    def leaders(self, answers: Sequence[str | None]) -> set[int]:
        """Give the most frequent answers, None left out."""
        counts: defaultdict[int, int] = defaultdict(int)
        for answer in answers:
            if (number := self.of(answer)) is not None:
                counts[number] += 1
        return {number for number, count in counts.items() if count == max(counts.values())}


def same_answers(task: str) -> IsSame:
    """Give what tells whether two answers to problems of a task are equal: outside mathematics, their spelling.

    Programs are compared by their tokens: the indentation that their spelling leaves out can be all that was changed.
    """
    if task in CODE_TASKS:
        return is_same_program
    return is_same_answer if task == MATH.name else is_same_text


def is_same_text(a: str | None, b: str | None) -> bool:
    """Tell whether two answers are spelled the same, apart from case, spaces, quotes and a final stop."""
    return a == b if a is None or b is None else plain_text(a) == plain_text(b)


def is_same_answer(a: str | None, b: str | None) -> bool:
    """Tell whether two answers are equal, by spelling or exactly; those that only math-verify equates count as two."""
    if a is None or b is None or a == b:
        return a == b
    return max(len(a), len(b)) <= LONGEST_ANSWER and compare_exactly(parse_answer(a), parse_answer(b)) is True
