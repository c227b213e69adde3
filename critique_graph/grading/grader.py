r"""Grade answers: equal to the reference, not equal, or not decided.

What counts as equal:

| written | rule |
|---|---|
| `0.5`, `1/2`, `\frac{1}{2}`, `5e-1`, `½` | numbers compare exactly |
| `0.333333` and `1/3` | equal: one is the other rounded or cut, to 6 places (and 4 digits) or more |
| `0.33` and `1/3` | not equal |
| `0.30000000000000004` and `0.3` | equal: with 15 digits or more, 12 count |
| `1,234`, `1 234`, `1\,234`, `1{,}234` | thousands, if the whole answer is one number; `(1,234)` is a pair |
| `50%` | equals `0.5` and `50` (so equality is not transitive here) |
| `5 cm`, `5\text{ m}^2`, `\$5`, `5 dollars`, `5^\circ` | equal `5`: units, currency, degrees are dropped |
| `(1,2)` and `1,2` | equal; `(2,1)` is neither; `[1,2]` is an interval, `[1,2,3]` the same as `(1,2,3)` |
| `\{1,2\}`, `1,2` and `2 and 1` | equal: order counts only if one side has round or square brackets |
| `x=5` and `5`; `y=2x` and `2x` | equal; `x=5` and `y=5` are not |
| `x\in[1,2]`, `1\le x\le 2` and `[1,2]` | equal |
| `3:2` and `6:4` | equal: ratios are quotients |
| `1011_2` and `1011` | equal: the base is not looked at |
| `\text{(B)}`, `(B)` and `B` | equal; `(B) 12` is not |
| `\text{Navin}` and `navin`, `X` and `x` | equal: the case of a word or letter is not looked at |
| `4 or 5` for `4` | not equal: a list is not one of its elements |
| `i` and `\sqrt{-1}`, `1.5 million` and `1500000` | known misses: equal, but not recognised |
"""

import asyncio
import threading
from concurrent.futures import Future
from functools import cache, partial
from typing import Protocol

from critique_graph.core.schema import Grade
from critique_graph.grading.exact import Pairs, compare_exactly, parse_answer
from critique_graph.grading.extract import extract_answer, extract_reference, read_answer
from critique_graph.grading.pool import Equality, WorkerPool

MAX_LENGTH = 1_000
"""Characters of an answer; a longer one is not compared."""
MAX_DEPTH = 8
"""Nested brackets of an answer; parsing time doubles with each level."""


class Grader(Protocol):
    """Reads answers and decides whether they are equal; a domain plugs in by implementing it."""

    def extract(self, text: str) -> str | None:
        """The final answer a response gives, or None when there is none to read."""
        ...

    async def grade(self, prediction: str | None, reference: str) -> Grade:
        """Grade of a response, or of its answer, against the reference.

        A response without a readable answer is `incorrect`: it did not answer. What could not be decided is
        `ungraded` with a reason, and never counts as incorrect.
        """
        ...

    async def equivalent(self, a: str, b: str) -> bool:
        """Whether two answers are the same, whichever comes first; False when that could not be decided."""
        ...

    async def aclose(self) -> None:
        """Release what the grader holds."""
        ...


_GRADES: dict[Equality, Grade] = {
    "equal": Grade(outcome="correct", reason="symbolic"),
    "different": Grade(outcome="incorrect", reason="symbolic"),
    "unreadable_answer": Grade(outcome="incorrect", reason="unreadable_answer"),
    "unreadable_reference": Grade(outcome="ungraded", reason="unreadable_reference"),
    "too_complex": Grade(outcome="ungraded", reason="too_complex"),
    "memory": Grade(outcome="ungraded", reason="memory"),
    "timeout": Grade(outcome="ungraded", reason="timeout"),
    "worker_died": Grade(outcome="ungraded", reason="worker_died"),
}
_EXACT = {True: Grade(outcome="correct", reason="exact"), False: Grade(outcome="incorrect", reason="exact")}
_NO_ANSWER = Grade(outcome="incorrect", reason="no_answer")
_NO_REFERENCE = Grade(outcome="ungraded", reason="no_reference")
_TOO_COMPLEX = _GRADES["too_complex"]


class MathGrader:
    """Grades mathematical answers: numbers exactly, all else with math-verify in worker processes.

    Reasons: `exact` or `symbolic` for how it was decided; `no_answer` and `unreadable_answer` are incorrect;
    `no_reference`, `unreadable_reference`, `too_complex`, `timeout` (2 s of CPU time), `memory` (1 GiB) and
    `worker_died` are ungraded. Equality is symmetric: swapping two answers never turns correct to incorrect.

    Works from any event loop, and from several at once. Workers start with the first answer that needs one.

    Args:
        workers: Worker processes at most; each holds about 60 MB.
        memo_size: Decided pairs to remember; votes of one problem repeat the same few.
    """

    def __init__(self, *, workers: int = 2, memo_size: int = 65_536) -> None:
        self._pool = WorkerPool(workers=workers)
        self._lock = threading.Lock()
        self._pending: dict[Pairs, Future[Equality]] = {}
        self._memo: dict[Pairs, Equality] = {}
        self._memo_size = memo_size

    def extract(self, text: str) -> str | None:
        return extract_answer(text)

    async def grade(self, prediction: str | None, reference: str) -> Grade:
        decided = self._decide(prediction, reference)
        return decided if isinstance(decided, Grade) else _GRADES[await asyncio.wrap_future(_follow(decided))]

    async def equivalent(self, a: str, b: str) -> bool:
        return a == b or (await self.grade(*sorted((a, b)))).is_correct

    async def aclose(self) -> None:
        """Kill the workers; afterwards only exact comparisons work."""
        await asyncio.to_thread(self._pool.close)

    def grade_blocking(self, prediction: str | None, reference: str) -> Grade:
        """`grade` for callers without an event loop; blocks the calling thread."""
        decided = self._decide(prediction, reference)
        return decided if isinstance(decided, Grade) else _GRADES[decided.result()]

    def _decide(self, prediction: str | None, reference: str) -> "Grade | Future[Equality]":
        """Grade where that takes microseconds, else the worker's result to come."""
        expected = extract_reference(reference)
        if expected is None:
            return _NO_REFERENCE
        answer = read_answer(prediction) if prediction else None
        if answer is None:
            return _NO_ANSWER
        if answer == expected:
            return _EXACT[True]
        if _is_too_complex(answer) or _is_too_complex(expected):
            return _TOO_COMPLEX
        compared = compare_exactly(parse_answer(answer), parse_answer(expected))
        return _EXACT[compared] if isinstance(compared, bool) else self._compare(compared)

    def _compare(self, pairs: Pairs) -> "Grade | Future[Equality]":
        """Compare in a worker, unless the pairs are known or are being compared already."""
        with self._lock:
            if pairs in self._memo:
                return _GRADES[self._memo[pairs]]
            if pairs in self._pending:
                return self._pending[pairs]
            comparison = self._pending[pairs] = self._pool.submit(pairs)
        comparison.add_done_callback(partial(self._remember, pairs))  # may run here and now: not under the lock
        return comparison

    def _remember(self, pairs: Pairs, comparison: "Future[Equality]") -> None:
        with self._lock:
            del self._pending[pairs]
            if comparison.cancelled() or comparison.result() == "worker_died":
                return
            self._memo[pairs] = comparison.result()
            if len(self._memo) > self._memo_size:
                del self._memo[next(iter(self._memo))]  # the oldest


@cache
def default_grader() -> MathGrader:
    """The grader this process shares; its workers end with the process."""
    return MathGrader()


def grade(prediction: str, reference: str) -> Grade:
    r"""Grade of a response, or of a bare answer, against gold text or a bare reference.

    >>> grade(r"So we get \boxed{\frac{1}{2}}.", "#### 0.5").outcome
    'correct'

    Blocks while a worker compares (not for numbers); in a coroutine use `MathGrader.grade`.
    """
    return default_grader().grade_blocking(prediction, reference)


def _follow(shared: "Future[Equality]") -> "Future[Equality]":
    """A future of one's own: cancelling it, or closing its event loop, leaves the shared one alone."""
    own: Future[Equality] = Future()

    def copy(done: "Future[Equality]") -> None:
        if done.cancelled():
            own.cancel()
        elif own.set_running_or_notify_cancel():
            own.set_result(done.result())

    shared.add_done_callback(copy)
    return own


def _is_too_complex(answer: str) -> bool:
    if len(answer) > MAX_LENGTH:
        return True
    depth = deepest = 0
    for character in answer:
        if character in "([{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in ")]}":
            depth -= 1
    return deepest > MAX_DEPTH
