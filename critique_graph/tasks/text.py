"""Free text: an answer is a word, a name or a phrase, which equals the reference or fits a pattern."""

import asyncio
import re

import regex

from critique_graph.core.schema import Grade
from critique_graph.grading.functions import FunctionGrader, Judged, plain_text
from critique_graph.tasks.task import Fields, Task, prompts_ending_in

PATTERN_SECONDS = 2.0
"""Longest time for which one answer is matched: a pattern may take exponential time."""
LONGEST_ANSWER = 2_000
"""Maximum number of characters of an answer; a longer one is cut."""

_TAIL = 32_768
_TAG = re.compile(r"<answer>([^<]*)</answer>", re.IGNORECASE)
_BOX = re.compile(r"\\boxed\{([^{}]*)\}")
_STATED = re.compile(
    r"\banswer[*_]{0,3}\s(?:is|would be)[*_]{0,3}:?[ \t]++([^\n]++)"
    r"|^[ \t>*_#]{0,8}(?:the[ ]|my[ ])?(?:final[ ])?answer[*_]{0,3}[ ]?[:\uff1a][*_]{0,3}\s{0,3}([^\n]++)",
    re.IGNORECASE | re.MULTILINE,
)
_ASKED_FOR = "answer"
"""The word in the place of the answer in the prompt."""


def read_phrase(text: str) -> str | None:
    """Give the answer that a response presents last, up to the end of its line; None if it presents none.

    It stands in `<answer>`, behind `The answer is` or `Answer:`, or in a box. Quotes, emphasis and a final stop are no
    part of it.
    """
    tail = text[-_TAIL:]
    found = max(
        (match for pattern in (_TAG, _BOX, _STATED) for match in pattern.finditer(tail)),
        key=lambda match: match.start(),
        default=None,
    )
    if found is None:
        return None
    said = next(group for group in found.groups() if group is not None)
    if (boxed := _BOX.search(said)) is not None:
        said = boxed[1]
    said = said[:LONGEST_ANSWER].strip(" \t*_`\"'“”").removesuffix(".").strip(" \t*_`\"'“”")
    return None if said.casefold() == _ASKED_FOR else said or None


def read_pattern(text: str, _: Fields) -> str | None:
    """Give a reference that is a regular expression.

    Raises:
        ValueError: It is none.
    """
    try:
        regex.compile(text)
    except regex.error as error:
        raise ValueError(f"the reference {text[:80]!r} is no regular expression: {error}") from None
    return text or None


def _is_equal(answer: str, reference: str) -> Judged:
    return plain_text(answer) == plain_text(reference)


async def _fits(answer: str, reference: str) -> Judged:
    try:
        found = await asyncio.to_thread(regex.fullmatch, reference, answer, timeout=PATTERN_SECONDS, concurrent=True)
    except regex.error:
        return Grade(outcome="ungraded", reason="unreadable_reference")
    except TimeoutError:
        return Grade(outcome="ungraded", reason="timeout")
    return found is not None


_PROMPTS = prompts_ending_in("The answer is ANSWER.")

EXACT = Task(name="exact", grader=FunctionGrader(read=read_phrase, is_correct=_is_equal), prompts=_PROMPTS)
"""Free text that must equal the reference, apart from case, spaces, quotes and a final stop."""
REGEX = Task(
    name="regex",
    grader=FunctionGrader(read=read_phrase, is_correct=_fits),
    prompts=_PROMPTS,
    reference=read_pattern,
)
"""Free text that a regular expression, the reference, must match as a whole."""
