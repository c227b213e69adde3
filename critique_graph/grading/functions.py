"""A grader made of plain functions, for answers of other domains than mathematics."""

import logging
import math
import unicodedata
from collections.abc import Awaitable, Callable
from functools import cache
from inspect import isawaitable

from critique_graph.core.errors import one_line
from critique_graph.core.schema import Grade

logger = logging.getLogger(__name__)

Judged = bool | None | Grade
"""Whether an answer is correct; None if that cannot be decided."""
IsCorrect = Callable[[str, str], Judged | Awaitable[Judged]]
"""Says whether an answer is correct, by the reference."""
_ENDS = " \t\r\n\"'`*_\u201c\u201d\u2018\u2019\u00ab\u00bb"


def plain_text(text: str) -> str:
    """Give a text without what does not matter: case, kinds of space and of letters, quotes around it, a final stop."""
    words = unicodedata.normalize("NFKC", text).casefold().split()
    return " ".join(words).strip(_ENDS).removesuffix(".").strip(_ENDS)


def whole_response(text: str) -> str | None:
    """Give a response itself as its answer, for graders that read the whole; None if it is empty."""
    return text.strip() or None


def is_enough(score: object, at_least: float) -> bool | None:
    """Tell whether a score, a number or a truth value, is high enough; None if there is none.

    Raises:
        TypeError: It is neither.
    """
    if score is None:
        return None
    if not isinstance(score, bool | int | float):
        raise TypeError(f"a score must be a number, True or False, and is {one_line(repr(score), limit=80)}")
    return None if math.isnan(score) else score >= at_least


class FunctionGrader:
    """Grades answers with functions; it implements `Grader`.

    Example:
        >>> grader = FunctionGrader(read=lambda text: text.split()[-1], is_correct=lambda answer, gold: answer == gold)

    A response without an answer is incorrect. Where `is_correct` raises, the answer is ungraded, with the reason
    `grader_failed: ...`, and a warning says so once.

    Args:
        read: Gives the final answer of a response; None if there is none. A grader that wants the whole response gets
            it if `read` gives the text itself.
        is_correct: Says of an answer and the reference whether the answer is correct; it may be a coroutine function.
        is_same: Says whether two answers are equal, for votes; by default if their `plain_text` is.
    """

    def __init__(
        self,
        *,
        read: Callable[[str], str | None],
        is_correct: IsCorrect,
        is_same: Callable[[str, str], bool] | None = None,
    ) -> None:
        self._read, self._is_correct, self._is_same = read, is_correct, is_same

    def extract(self, text: str) -> str | None:
        return self._read(text) or None

    async def grade(self, prediction: str | None, reference: str) -> Grade:
        if not reference.strip():
            return Grade(outcome="ungraded", reason="no_reference")
        if not prediction:
            return Grade(outcome="incorrect", reason="no_answer")
        try:
            found = self._is_correct(prediction, reference)
            if isawaitable(found):
                found = await found
            return _grade(found)
        except Exception as error:  # noqa: BLE001 - the boundary to code of others
            reason = one_line(f"grader_failed: {type(error).__name__}: {error}")
            _say_once(reason)
            return Grade(outcome="ungraded", reason=reason)

    async def equivalent(self, a: str, b: str) -> bool:
        if self._is_same is None:
            return plain_text(a) == plain_text(b)
        return a == b or self._is_same(a, b)

    async def aclose(self) -> None:
        """Do nothing: functions hold no resources."""


def _grade(found: object) -> Grade:
    match found:
        case Grade():
            return found
        case None:
            return Grade(outcome="ungraded", reason="undecided")
        case bool():
            return Grade(outcome="correct" if found else "incorrect")
    raise TypeError(f"is_correct must give True, False, None or a Grade, and gave {one_line(repr(found), limit=80)}")


@cache
def _say_once(reason: str) -> None:
    logger.warning("answers stay ungraded: %s", reason)
