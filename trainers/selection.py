"""Chooses the rows to learn: no duplicates, a limited number per problem, and balanced kinds if asked for."""

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from tempfile import TemporaryFile
from typing import Literal

import orjson

from critique_graph.core.errors import InputError
from critique_graph.core.files import write_atomically
from critique_graph.core.json_lines import json_line
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


@dataclass(frozen=True)
class Written:
    """What `write_selected` has written: the number of rows, those of test sets, and the others by reason."""

    rows: int
    test_sets: dict[str, int]
    dropped: dict[RowDrop, int]


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
    held = list(candidates)
    places, dropped = _choose(held, per_problem, balance, distinct, seed)
    return Selected([held[place] for place in places], dropped)


def write_selected(
    candidates: Iterable[Candidate],
    file: Path,
    *,
    per_problem: int | None = 8,
    balance: Balance = "none",
    distinct: bool = True,
    seed: int = 0,
) -> Written:
    """Choose rows as `select` does, and write them as JSON lines; the candidates are read once, and never held.

    Raises:
        InputError: No row is left.
    """
    named: dict[int, tuple[str, ...]] = {}
    with TemporaryFile(dir=file.parent) as spool:

        def spooled() -> Iterator[Candidate]:
            for place, candidate in enumerate(candidates):
                spool.write(json_line(candidate.row))
                if candidate.test_sets:
                    named[place] = tuple(candidate.test_sets)
                yield candidate

        places, dropped = _choose(spooled(), per_problem, balance, distinct, seed)
        chosen = set(places)
        spool.seek(0)
        write_atomically(file, (line for place, line in enumerate(spool) if place in chosen))
    test_sets = Counter(name for place, names in named.items() if place in chosen for name in names)
    return Written(len(places), dict(test_sets), dropped)


def _choose(
    candidates: Iterable[Candidate], per_problem: int | None, balance: Balance, distinct: bool, seed: int
) -> tuple[list[int], dict[RowDrop, int]]:
    """Give the places of the chosen candidates, in order, and the number of the others, by reason."""
    dropped: Counter[RowDrop] = Counter()
    seen: set[bytes] = set()
    of_problem: Counter[str] = Counter()
    kinds: defaultdict[bool | int | None, list[int]] = defaultdict(list)
    place = -1
    for place, candidate in enumerate(candidates):
        content = blake2b(orjson.dumps(candidate.row), digest_size=16).digest() if distinct else b""
        if content in seen:
            dropped["duplicate"] += 1
        elif of_problem[candidate.problem] == per_problem:
            dropped["enough of the problem"] += 1
        else:
            of_problem[candidate.problem] += 1
            by = {"none": None, "verdict": candidate.is_correct, "level": candidate.level}
            kinds[by[balance]].append(place)
        if distinct:
            seen.add(content)
    if not kinds:
        raise InputError(f"there is nothing to learn: of {place + 1} rows of this task, {_listed(dropped)}.")
    rarest, rng = min(map(len, kinds.values())), random.Random(seed)
    taken: list[int] = []
    for places in kinds.values():
        size = len(places) if balance == "none" else rarest
        dropped["out of balance"] += len(places) - size
        taken += rng.sample(places, size)
    return sorted(taken), {reason: count for reason, count in dropped.items() if count}


def _listed(dropped: Counter[RowDrop]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in dropped.items()) or "none were there to begin with"
