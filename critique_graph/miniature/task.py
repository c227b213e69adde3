"""Multi-step arithmetic word problems with exact answers and graded difficulty.

A problem is a chain of quantities: each step computes a new one from earlier ones. The words say how, sometimes with a
sentence that does not matter. No number is given twice, so each number identifies its sentence. `solutions.py`
writes and checks solutions, and `critiques.py` writes exact critiques.
"""

import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, islice
from typing import Literal

from critique_graph.core.schema import Problem

Split = Literal["train", "validation", "test"]
Symbol = Literal["+", "-", "*"]

LEVELS = (2, 3, 4, 5, 6, 7, 8)
"""Levels of difficulty: the number of dependent steps."""

NAMES = ("Tom", "Ann", "Ben", "Eva", "Max", "Lily", "Sam", "Zoe", "Leo", "Mia", "Dan", "Ida")
_NOUNS = ("apples", "books", "coins", "cards", "stamps", "shells", "marbles", "pens")
_GAINS = (
    "{name} buys {n} more.",
    "{name} finds {n} more {noun}.",
    "Then {name} gets {n} {noun} from {other}.",
    "{other} gives {name} {n} {noun}.",
)
_LOSSES = (
    "{name} gives {n} of them to {other}.",
    "{name} loses {n} {noun}.",
    "Then {name} sells {n} of the {noun}.",
    "{other} takes {n} {noun} from {name}.",
)
_GROWTHS = (
    "Then {name} has {n} times as many.",
    "Soon {name} has {n} times as many {noun}.",
)
_MORE = ("{new} has {n} more {noun} than {name}.", "{new} has {n} more than {name}.")
_FEWER = ("{new} has {n} fewer {noun} than {name}.", "{new} has {n} fewer than {name}.")
_TIMES = ("{new} has {n} times as many {noun} as {name}.", "{new} has {n} times as many as {name}.")
_ASIDES = ("{other} is {n} years old.", "{name} lives at number {n}.", "It takes {n} minutes.")

FORMS: dict[Symbol, dict[bool, tuple[str, ...]]] = {
    "+": {False: _GAINS, True: _MORE},
    "-": {False: _LOSSES, True: _FEWER},
    "*": {False: _GROWTHS, True: _TIMES},
}
"""Templates of a step's sentence, by its operation and by whether another person has the result."""

TOGETHER = "Together they have"
"""The subject of a step that adds the quantities of two people."""

MAX_VALUE = 99
"""Largest quantity in a problem."""
MAX_FACTOR = 5


@dataclass(frozen=True)
class Magnitudes:
    """The largest numbers in a problem; harder problems also have larger numbers."""

    start: int
    """Maximum of the quantity that the problem begins with."""
    term: int
    """Maximum of a number that is added or subtracted."""
    value: int
    """Maximum of any quantity."""


def magnitudes(level: int) -> Magnitudes:
    """The largest numbers in a problem with this number of steps."""
    return Magnitudes(start=5 * level + 5, term=6 * level - 2, value=min(MAX_VALUE, 20 + 10 * level))


@dataclass(frozen=True)
class Ref:
    """A quantity computed by an earlier step."""

    step: int
    """0-based."""


@dataclass(frozen=True)
class Operation:
    """One step: the operation and its operands, and the words that the solution puts before the equation."""

    left: int | Ref
    symbol: Symbol
    right: int | Ref
    subject: str

    def operands(self, values: list[int]) -> tuple[int, int]:
        """The two numbers this step combines, given the `values` of the steps before it."""
        left, right = (values[o.step] if isinstance(o, Ref) else o for o in (self.left, self.right))
        return left, right


@dataclass(frozen=True)
class Exercise:
    """A problem together with its operations, from which its solution is written and checked."""

    problem: Problem
    operations: tuple[Operation, ...]
    noun: str

    @property
    def values(self) -> list[int]:
        """The correct value of every step."""
        values: list[int] = []
        for operation in self.operations:
            values.append(compute(operation.symbol, *operation.operands(values)))
        return values


def compute(symbol: Symbol, left: int, right: int) -> int:
    """Value of `left symbol right`."""
    match symbol:
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right


def generate_problems(n: int, *, seed: int, split: Split = "test") -> Iterator[Problem]:
    """Yield `n` problems; the same `seed` and `split` always give the same problems.

    Splits share no problem, not even in other words, because a hash of the operations and their numbers selects the
    split.
    """
    return (exercise.problem for exercise in generate_exercises(n, seed=seed, split=split))


def generate_exercises(n: int, *, seed: int, split: Split) -> Iterator[Exercise]:
    """Yield `n` problems with their operations; every level is equally likely."""
    rng = random.Random(f"{split}/{seed}")
    drafts = (_Draft(rng, rng.choice(LEVELS)) for _ in count())
    kept = islice((draft for draft in drafts if split_of(draft.operations) == split), n)
    for index, draft in enumerate(kept):
        problem = Problem(
            id=f"miniature/{split}/{seed}/{index:06d}",
            question=" ".join(draft.sentences),
            answer=str(draft.values[-1]),
            level=len(draft.operations),
            source="miniature",
        )
        yield Exercise(problem, tuple(draft.operations), draft.noun)


def split_of(operations: list[Operation] | tuple[Operation, ...]) -> Split:
    """The split to which a chain of operations belongs: train for six in eight, validation for one, test for one."""
    structure = ";".join(
        " ".join(f"#{o.step}" if isinstance(o, Ref) else str(o) for o in (op.left, op.right)) + op.symbol
        for op in operations
    )
    bucket = hashlib.sha256(structure.encode()).digest()[0] % 8
    return ("validation", "test")[bucket] if bucket < 2 else "train"


class _Draft:
    """A problem being written: each call of `_add_step` adds one sentence and one operation."""

    def __init__(self, rng: random.Random, level: int) -> None:
        self._rng = rng
        self.noun = rng.choice(_NOUNS)
        self._largest = magnitudes(level)
        self._cast = rng.sample(NAMES, k=len(NAMES))
        self._name = self._cast.pop()
        self._previous: tuple[str, int | Ref] | None = None
        start = rng.randint(2, self._largest.start)
        self._latest: int | Ref = start
        self.sentences = [f"{self._name} has {start} {self.noun}."]
        self._used = {start}
        self.operations: list[Operation] = []
        self.values: list[int] = []
        ends_together = rng.random() < 0.4
        for _ in range(level - ends_together):
            self._add_step()
        if not (ends_together and self._ask_together()):
            if len(self.operations) < level:
                self._add_step()
            self.sentences.append(f"How many {self.noun} does {self._name} have?")
        if rng.random() < 0.25:
            self._add_aside()

    @property
    def _value(self) -> int:
        return self._latest if isinstance(self._latest, int) else self.values[self._latest.step]

    def _append(self, symbol: Symbol, right: int | Ref, subject: str) -> None:
        operation = Operation(self._latest, symbol, right, subject)
        self.operations.append(operation)
        self.values.append(compute(symbol, *operation.operands(self.values)))
        self._latest = Ref(len(self.operations) - 1)

    def _add_step(self) -> None:
        rng, value, largest = self._rng, self._value, self._largest
        most: dict[Symbol, int] = {
            "+": min(largest.term, largest.value - value),
            "-": min(largest.term, value - 1),
            "*": min(MAX_FACTOR, largest.value // value),
        }
        fitting = {symbol: self._unused(limit) for symbol, limit in most.items()}
        symbol = rng.choice([symbol for symbol, numbers in fitting.items() if numbers])
        n = rng.choice(fitting[symbol])
        self._used.add(n)
        is_new = rng.random() < 0.4
        forms = FORMS[symbol][is_new]
        new = self._cast[-1]
        text = rng.choice(forms).format(name=self._name, new=new, other=self._cast[0], n=n, noun=self.noun)
        self.sentences.append(text)
        if is_new:
            self._previous = (self._name, self._latest)
            self._name = self._cast.pop()
        self._append(symbol, n, f"{self._name} has")

    def _unused(self, most: int) -> list[int]:
        """Numbers from 2 to `most` that the problem does not contain yet."""
        return [n for n in range(2, most + 1) if n not in self._used]

    def _ask_together(self) -> bool:
        """End with a sum over two people, if there are two people and the sum is small enough."""
        if self._previous is None:
            return False
        name, quantity = self._previous
        value = quantity if isinstance(quantity, int) else self.values[quantity.step]
        if value + self._value > self._largest.value:
            return False
        self.sentences.append(f"How many {self.noun} do {name} and {self._name} have together?")
        self._append("+", quantity, TOGETHER)
        return True

    def _add_aside(self) -> None:
        n = self._rng.choice(self._unused(self._largest.term))
        text = self._rng.choice(_ASIDES).format(name=self._name, other=self._cast[0], n=n)
        self.sentences.insert(self._rng.randint(1, len(self.sentences) - 1), text)
