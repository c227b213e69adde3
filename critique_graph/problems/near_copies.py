"""Leave out problems that already occur: earlier in the same set, or in a set that will be used for tests.

Uses MinHash and locality-sensitive hashing (datasketch) over sequences of words, so that another layout and small
changes do not hide a copy.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from critique_graph.core.errors import MissingDependencyError
from critique_graph.core.schema import Problem

if TYPE_CHECKING:
    from datasketch import MinHash  # type: ignore[import-untyped,unused-ignore]

SIMILARITY = 0.5
"""Jaccard similarity, over sets of word sequences, from which two questions are near copies; our choice."""
WORDS = 3
"""Number of words in a sequence."""
PERMUTATIONS = 128


class Overlap:
    """Leaves out problems that are near copies of earlier problems, or of problems in other sets.

    Raises:
        MissingDependencyError: datasketch is not installed.
    """

    def __init__(self, excluded: Iterable[Problem]) -> None:
        try:
            from datasketch import MinHash, MinHashLSH
        except ImportError as error:
            raise MissingDependencyError("datasketch", extra="data", purpose="Finding near copies") from error
        self._new_hash: Callable[[], MinHash] = partial(MinHash, num_perm=PERMUTATIONS, seed=1)
        self._excluded, self._seen = (MinHashLSH(threshold=SIMILARITY, num_perm=PERMUTATIONS) for _ in range(2))
        self.left_out: Counter[str] = Counter()
        for index, problem in enumerate(excluded):
            self._excluded.insert(index, self._hash(problem.question))

    def distinct(self, problems: Iterable[Problem], *, repeated: bool = True) -> Iterator[Problem]:
        """Give the problems that are no near copies of excluded problems, nor, with `repeated`, of earlier problems."""
        for problem in problems:
            hashed = self._hash(problem.question)
            if self._excluded.query(hashed):
                self.left_out["excluded"] += 1
            elif repeated and self._seen.query(hashed):
                self.left_out["repeated"] += 1
            else:
                self._seen.insert(len(self._seen.keys), hashed)
                yield problem

    def _hash(self, text: str) -> "MinHash":
        words = re.findall(r"\w+|[-+*/^=<>]", text.lower())
        hashed = self._new_hash()
        for start in range(max(1, len(words) - WORDS + 1)):
            hashed.update(" ".join(words[start : start + WORDS]).encode())
        return hashed
