"""One of several equal parts of a problem set, for a process of its own: every N-th problem."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Self

from critique_graph.core.errors import InputError
from critique_graph.core.schema import Problem
from critique_graph.problems.problem_set import ProblemSet

_FORM = re.compile(r"([1-9]\d{0,5})/([1-9]\d{0,5})", re.ASCII)


@dataclass(frozen=True, order=True)
class Shard:
    """Shard `index` of `count`: the problems at the 0-based places `index - 1`, `index - 1 + count`, and so on.

    The places do not depend on how many problems there are, so new problems may follow at the end of the set.
    """

    index: int
    """Between 1 and `count`."""
    count: int

    @classmethod
    def read(cls, text: str) -> Self:
        """Read I/N.

        Raises:
            InputError: The text is not of that form, or I is not between 1 and N.
        """
        found = _FORM.fullmatch(text)
        if found is None or int(found[1]) > int(found[2]):
            raise InputError(f"shard: expected I/N such as 2/8, with I from 1 to N; got {text!r}.")
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    def part_of(self, problems: ProblemSet) -> ProblemSet:
        """Give the problems of this shard."""

        def read() -> Iterator[Problem]:
            return islice(problems.read(), self.index - 1, None, self.count)

        total = None if problems.total is None else len(range(self.index - 1, problems.total, self.count))
        return ProblemSet(read, total, problems.left_out)

    def place(self, number: int) -> int:
        """Give the 0-based place in the whole set of problem `number` (from 0) of this shard."""
        return self.index - 1 + number * self.count
