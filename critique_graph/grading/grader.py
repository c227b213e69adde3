r"""Grade answers: equal to the reference, not equal, or not decided.

What counts as equal:

| written | rule |
|---|---|
| `0.5`, `1/2`, `\frac{1}{2}`, `5e-1`, `½`; `\sqrt{8}`, `2\sqrt{2}` | numbers, roots and polynomials compare exactly |
| `0.333333` and `1/3` | equal: one is the other rounded or cut, to 6 places (and 4 digits) or more |
| `0.33` and `1/3` | not equal |
| `0.30000000000000004` and `0.3` | equal: with 15 digits or more, 12 count |
| `1,234`, `1 234`, `1\,234`, `1{,}234` | thousands, if the answer is one number; `(1,234)` and `1, 234` are pairs |
| `0,5`, `2{,}75`, `1.234,56` | decimal commas |
| `1.5 million`, `two dozen`, `seven` | numbers |
| `50%` | equals `0.5` and `50` (so equality is not transitive here) |
| `5 cm`, `5\text{ m}^2`, `\$5`, `5 元`, `5^\circ` | equal to `5`: units, currency and degrees are dropped |
| `5 cm` and `5 m`, `5 pm` and `5 am`, `5 pm` and `5` | ungraded: units that contradict each other, half of a day |
| `(1,2)` and `1,2` | equal; `(2,1)` equals neither; `[1,2]` is an interval; `[1,2,3]` equals `(1,2,3)` |
| `\{1,2\}`, `1,2` and `2 and 1` | equal: order counts only if one side has round or square brackets |
| `\boxed{3} and \boxed{5}` | `3, 5`: boxes in a list are one answer; of others the last one counts |
| `x=5` and `5`; `y=2x` and `2x`; `2+3=5` and `5` | equal; `x=5` and `y=5` are not |
| `x+2y-7=0` and `0`, `m+n=7` and `7` | ungraded: an equation is none of its sides |
| `x\in[1,2]`, `1\le x\le 2` and `[1,2]` | equal |
| `3:2` and `6:4` | equal: ratios are quotients; two times of day only equal themselves |
| `1011_2` and `1011` | equal: the base is ignored |
| `\text{(B)}`, `(B)` and `B` | equal; `(B) 12` is not |
| `\text{Navin}` and `navin`, `X` and `x` | equal: upper and lower case are not distinguished |
| `It follows that there are 7` as the reference | ungraded, unless the answer is the same text |
| `4 or 5` and `4` | not equal: a list does not equal one of its elements |
| `i` and `\sqrt{-1}` | a known miss: equal, but not recognised |
"""

import asyncio
import threading
from concurrent.futures import Future
from functools import cache, partial
from typing import Protocol

from critique_graph.core.schema import Grade
from critique_graph.grading.exact import Answer, Pairs, compare_exactly, is_short, is_worded, parse_answer
from critique_graph.grading.extract import extract_answer, extract_reference, read_answer
from critique_graph.grading.pool import Equality, WorkerPool

MAX_LENGTH = 1_000
"""Maximum number of characters of an answer; a longer one is not compared."""
MAX_DEPTH = 8
"""Maximum depth of nested brackets in an answer; parsing time doubles with each level."""


class Grader(Protocol):
    """Reads answers and decides whether they are equal; a new domain implements this protocol."""

    def extract(self, text: str) -> str | None:
        """The final answer that a response gives, or None if no answer can be read."""
        ...

    async def grade(self, prediction: str | None, reference: str) -> Grade:
        """Grade of a response, or of its answer, against the reference.

        A response without a readable answer is `incorrect`, because it did not answer. A comparison that could not be
        decided is `ungraded` with a reason, and never counts as incorrect.
        """
        ...

    async def equivalent(self, a: str, b: str) -> bool:
        """Whether two answers are equal, in either order; False if that could not be decided."""
        ...

    async def aclose(self) -> None:
        """Release the resources that the grader holds."""
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
_AMBIGUOUS = Grade(outcome="ungraded", reason="ambiguous")


class MathGrader:
    """Grades mathematical answers: numbers exactly, all others with math-verify in worker processes.

    Reasons: `exact` or `symbolic` says how a grade was decided; `no_answer` and `unreadable_answer` are incorrect;
    `no_reference`, `unreadable_reference`, `ambiguous` (the two may be equal or not), `too_complex`, `timeout` (2 s of
    CPU time), `memory` (1 GiB) and `worker_died` are ungraded. Equality is symmetric: swapping two answers never turns
    correct into incorrect.

    Works from any event loop, and from several at once. Workers start with the first answer that needs one.

    Args:
        workers: Maximum number of worker processes; each needs about 60 MB.
        memo_size: Number of decided pairs to remember; the votes of one problem repeat the same few pairs.
    """

    def __init__(self, *, workers: int = 2, memo_size: int = 4_096) -> None:
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
        """Like `grade`, for callers without an event loop; blocks the calling thread."""
        decided = self._decide(prediction, reference)
        return decided if isinstance(decided, Grade) else _GRADES[decided.result()]

    def _decide(self, prediction: str | None, reference: str) -> "Grade | Future[Equality]":
        """Give the grade if that takes microseconds, else a future of the worker's result."""
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
        given, wanted = parse_answer(answer), parse_answer(expected)
        compared = compare_exactly(given, wanted)
        if compared is not True and (is_worded(given) or is_worded(wanted)):
            return _graded_words(given, wanted)
        if compared is None:
            return _AMBIGUOUS
        return _EXACT[compared] if isinstance(compared, bool) else self._compare(compared)

    def _compare(self, pairs: Pairs) -> "Grade | Future[Equality]":
        """Compare in a worker, unless the result is known or the pairs are already being compared."""
        with self._lock:
            if pairs in self._memo:
                return _GRADES[self._memo[pairs]]
            if pairs in self._pending:
                return self._pending[pairs]
            comparison = self._pending[pairs] = self._pool.submit(pairs)
        comparison.add_done_callback(partial(self._remember, pairs))  # it may run immediately, so not under the lock
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
    """The grader that this process shares; its workers end with the process."""
    return MathGrader()


def grade(prediction: str, reference: str) -> Grade:
    r"""Grade of a response, or of a bare answer, against gold text or a bare reference.

    >>> grade(r"So we get \boxed{\frac{1}{2}}.", "#### 0.5").outcome
    'correct'

    Blocks while a worker compares the answers (numbers need none); in a coroutine use `MathGrader.grade`.
    """
    return default_grader().grade_blocking(prediction, reference)


def _follow(shared: "Future[Equality]") -> "Future[Equality]":
    """A separate future: cancelling it, or closing its event loop, does not affect the shared one."""
    own: Future[Equality] = Future()

    def copy(done: "Future[Equality]") -> None:
        if done.cancelled():
            own.cancel()
        elif own.set_running_or_notify_cancel():
            own.set_result(done.result())

    shared.add_done_callback(copy)
    return own


def _graded_words(answer: Answer, expected: Answer) -> Grade:
    """Grade where one side is in words and they are not the same: names differ, and of a sentence nobody can tell."""
    if not is_worded(expected):
        return _GRADES["unreadable_answer"]
    are_names = is_worded(answer) and is_short(answer) and is_short(expected)
    return _EXACT[False] if are_names else _GRADES["unreadable_reference"]


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
