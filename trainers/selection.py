"""Which rows are learned: no copies, only so many of a problem, and kinds in balance if asked for."""

import random
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import orjson

from critique_graph.core.errors import InputError
from critique_graph.trainers.candidates import Candidate
from critique_graph.trainers.rows import AnyRow

Balance = Literal["none", "verdict", "level"]
RowDrop = Literal[
    "duplicate",  # the same content as an earlier row
    "enough of the problem",  # its problem has as many rows as may be
    "out of balance",  # its kind has more rows than the rarest
]


@dataclass(frozen=True)
class Selected:
    """The candidates taken, in order, and how many were not, by reason."""

    candidates: list[Candidate]
    dropped: dict[RowDrop, int]

    @property
    def rows(self) -> list[AnyRow]:
        """Their rows."""
        return [candidate.row for candidate in self.candidates]


def select(
    candidates: Iterable[Candidate],
    *,
    per_problem: int | None = 8,
    balance: Balance = "none",
    distinct: bool = True,
    seed: int = 0,
) -> Selected:
    """Choose rows; the same candidates and seed give the same. The paper gives no such rule, the defaults are ours.

    Args:
        candidates: In order: the first of a problem, and the first of equal ones, are taken.
        per_problem: Most rows of one problem, so that what is easy to make does not fill the data; None: no bound.
        balance: `verdict`: as many rows of right responses as of wrong ones; `level`: as many of every level.
        distinct: Take equal rows once.
        seed: Draws the rows of a kind that has more than the rarest.

    Raises:
        InputError: Nothing is left.
    """
    dropped: Counter[RowDrop] = Counter()
    seen: set[bytes] = set()
    of_problem: Counter[str] = Counter()
    kinds: defaultdict[bool | int | None, list[tuple[int, Candidate]]] = defaultdict(list)
    number = -1
    for number, candidate in enumerate(candidates):
        content = orjson.dumps(candidate.row)
        if distinct and content in seen:
            dropped["duplicate"] += 1
        elif of_problem[candidate.problem] == per_problem:
            dropped["enough of the problem"] += 1
        else:
            of_problem[candidate.problem] += 1
            by = {"none": None, "verdict": candidate.is_correct, "level": candidate.level}
            kinds[by[balance]].append((number, candidate))
        seen.add(content)
    if not kinds:
        raise InputError(f"there is nothing to learn: of {number + 1} rows of this task, {_listed(dropped)}.")
    rarest, rng = min(map(len, kinds.values())), random.Random(seed)
    taken: list[tuple[int, Candidate]] = []
    for rows in kinds.values():
        size = len(rows) if balance == "none" else rarest
        dropped["out of balance"] += len(rows) - size
        taken += rng.sample(rows, size)
    taken.sort(key=lambda pair: pair[0])
    return Selected(
        [candidate for _, candidate in taken], {reason: count for reason, count in dropped.items() if count}
    )


def _listed(dropped: Counter[RowDrop]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in dropped.items()) or "none were there to begin with"
