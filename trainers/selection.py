"""Chooses the rows to learn: no duplicates, a limited number per problem, and balanced kinds if asked for."""

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
    "duplicate",  # an earlier row has the same content
    "enough of the problem",  # its problem already has the maximum number of rows
    "out of balance",  # its kind has more rows than the rarest kind
]


@dataclass(frozen=True)
class Selected:
    """The chosen candidates, in order, and the number of the others, by reason."""

    candidates: list[Candidate]
    dropped: dict[RowDrop, int]

    @property
    def rows(self) -> list[AnyRow]:
        """Rows of the chosen candidates."""
        return [candidate.row for candidate in self.candidates]


def select(
    candidates: Iterable[Candidate],
    *,
    per_problem: int | None = 8,
    balance: Balance = "none",
    distinct: bool = True,
    seed: int = 0,
) -> Selected:
    """Choose rows, deterministically for a seed. The paper gives no such rule; the defaults are ours.

    Args:
        candidates: Candidates in order: the first rows of a problem, and the first of equal rows, are chosen.
        per_problem: Maximum number of rows from one problem, so that easy problems do not dominate; None: no maximum.
        balance: `verdict`: as many rows of correct responses as of wrong ones; `level`: as many of every level.
        distinct: Choose equal rows only once.
        seed: Seed for drawing rows from a kind that has more rows than the rarest kind.

    Raises:
        InputError: No row is left.
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
