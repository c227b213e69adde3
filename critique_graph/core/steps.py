"""Split a response into reasoning steps, in linear time.

`split_steps` follows the author's own structure where there is one (numbered steps, paragraphs, lines) and
falls back to sentences; formulas, code and drawings are never cut.
"""

import math
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Literal, NamedTuple

from critique_graph.core.formulas import DISPLAY, DISPLAY_END, FULL_STOP, INLINE, mask

_Separation = Literal["section", "number", "paragraph", "line"]

_PREAMBLE = re.compile(
    r"\s*+(?:sure[,.!]?\s{1,2})?let['\u2019]?s\b[^.:!\n]{0,80}step[ -]by[ -]step[^.:!\n]{0,40}(?:[.:!]+|$)",
    re.I | re.M,
)
_ANSWER = re.compile(
    r"[*_(\"]{0,3}(?:(?:so|thus|hence|therefore),?\s{1,2})?"
    r"(?:the|my)\s{1,2}(?:(?:final|correct)\s{1,2})?answer\s{1,2}is\b"
    r"|[*_]{0,3}(?:final\s{1,2})?answer[*_]{0,3}:|####\s{0,2}[-$\d]",
    re.I,
)
_SENTENCE_START = rf"[\"'\u201c\u2018(*_\[]{{0,3}}[A-Z0-9\\{INLINE}]"
_SENTENCE_END = re.compile(
    rf"(?:(?<!\.)\.(?!\.)|[!?])[)\]\"'\u201d\u2019*_]{{0,3}}(?=\s++{_SENTENCE_START})"
    rf"|{FULL_STOP}(?=\s*+{_SENTENCE_START})"
    rf"|{DISPLAY_END}(?=\s*+[A-Z])"
)
_ABBREVIATION = re.compile(r"\b(?:e\.g|i\.e|vs|cf|mrs?|ms|dr|st|approx|fig|eq|step\s\d{1,3})\.\Z", re.I)

_RULE = re.compile(r"-{3,}|\*{3,}|_{3,}|={3,}")
_STEP_NUMBER = re.compile(r"[*_]{0,3}\(?\d{1,3}[.)][*_]{0,3}\s")
_RELATIONS = "=<>≈≤≥⇒→"
_Role = Literal["answer", "section", "number", "bullet", "relation", "display", "other"]
_ROLES: tuple[tuple[_Role, str, re.Pattern[str]], ...] = (
    ("answer", '*_("sSthHtTmMaAfF#', _ANSWER),
    (
        "section",
        "#*_sS",
        re.compile(r"(?:#{1,6}\s{1,2})?[*_]{0,3}step\s{0,2}\d{1,3}[*_]{0,3}\s{0,2}(?:[-:.)\u2013\u2014]|\Z)", re.I),
    ),
    ("number", "*_(0", _STEP_NUMBER),
    ("bullet", "-+*•", re.compile(r"[-+*•]\s")),
    ("relation", _RELATIONS, re.compile("")),
    ("display", DISPLAY, re.compile("")),
)
"""What the beginning of a line says about it, by its first character (0 stands for every digit) and a pattern."""
_ROLES_BY_START: dict[str, tuple[tuple[_Role, re.Pattern[str]], ...]] = {
    start: tuple((role, pattern) for role, starts, pattern in _ROLES if start in starts)
    for start in "".join(starts for _, starts, _ in _ROLES)
}
"""The roles that a line may have, by its first character; looking at it spares most lines the patterns."""
_HEADING = re.compile(r"#{1,6}\s|(?:\*\*|__)[^*_]{1,200}(?<![.!?])(?:\*\*|__)\Z")
_TABLE_RULE = re.compile(r"\|?[ \t]*+:?-++:?[ \t]*+(?:\|[ \t]*+:?-++:?[ \t]*+)*+\|?")
_SENTENCES_OF_A_PARAGRAPH = 3


class _Line(NamedTuple):
    """A line that is not blank; `start` and `end` enclose its text without the space around it."""

    start: int
    end: int
    text: str
    """Masked."""
    indent: int
    is_after_gap: bool
    role: _Role | None
    """None of plain text, which says nothing about where it belongs; "other" of text that may."""
    is_lead: bool
    """Whether it introduces the following text: a heading, or a line that ends in a colon."""


_Fields = tuple[int, int, str, int, bool, _Role | None, bool]
"""The fields of a `_Line`. Lines are kept as plain tuples, which the garbage collector does not go through."""
_line = partial(tuple.__new__, _Line)  # in 60 % of the time of `_Line(*fields)`


def split_steps(response: str) -> tuple[str, ...]:
    """Split a response into its reasoning steps: verbatim slices of it, in order.

    The most general separation that the author used decides:

    1. steps numbered by the author (`Step 1:`, `### Step 1`, `**Step 1**`, else `1.`), at least two of them;
    2. paragraphs between blank lines, at least three;
    3. lines; a line of three sentences or more is a paragraph and is split into its sentences.

    A line that introduces something (a heading, a line ending in a colon) belongs to the text that follows it. A
    displayed formula or a list belongs to the text that it continues, and the rows of a table to each other. "The
    answer is ..." is always its own step: critics judge it as a step in 36 of the 200 released critiques and leave it
    out in the others, and alignment handles both. Horizontal rules and an opening "Let's think step by step:" are left
    out, because critics never judge them.
    """
    masked = mask(response)
    preamble = _PREAMBLE.match(masked)
    begin = preamble.end() if preamble else 0
    lines = _lines(masked, begin)
    separation = _separation(lines)
    blocks = list(_blocks(map(_line, lines), separation))
    if separation == "line":
        return tuple(_cut(blocks, response, masked, _SENTENCES_OF_A_PARAGRAPH))
    steps = [response[start:end] for start, end in blocks[:-1]]
    return (*steps, *_cut(blocks[-1:], response, masked, math.inf))


def is_answer(step: str) -> bool:
    """Tell whether a step gives the answer ("The answer is ...") instead of reasoning."""
    return _ANSWER.match(step) is not None


_GOAL = (
    r"(?:solve|find|determine|calculate|compute|answer|figure|identify|work|know|see|get|evaluate|simplify|prove|show)"
)
_INTRODUCTION = re.compile(
    r"(?:\W{0,4}\d{1,3}[.)]\W{0,4})?(?:(?:sure|certainly|okay|ok|first|now)[,.!]?\s)?(?:"
    rf"(?:in\sorder\s)?to\s{_GOAL}\b[^:\n]{{0,300}}?,\s(?:we|you|i|let['\u2019]s|one)\b"
    r"|let['\u2019]s\s(?:\w{1,20}\s)?(?:break|solve|start|go|think|work|begin|tackle)\b"
    r"|here(?:['\u2019]s|\sis|\sare)\b"
    r"|we\s(?:need|have|want|will|can)\b[^.:\n]{0,80}\b(?:following|these)\ssteps\b"
    r"|(?:calculate|determine|find|identify|add|subtract|multiply|divide|compute|sum|convert)\b)",
    re.I,
)
_PLAN_NUMBER = re.compile(r"^\W{0,4}\d{1,3}[.)]", re.M)
_CLAIM = re.compile(r"[\d=≈<>≤≥]|\\(?:approx|leq?|geq?)\b")


def is_introduction(step: str) -> bool:
    """Tell whether a step only says what will be done ("To solve this, we need to ...") and neither counts nor claims.

    Of the steps of ProcessBench's GSM8K responses, 101 in 2,082 are introductions by this rule, 99 of them the first
    of their response; 3 in 207 first errors are in them.
    """
    return bool(_INTRODUCTION.match(step.lstrip())) and not _CLAIM.search(_PLAN_NUMBER.sub("", step))


def text_before(response: str, index: int, steps: Sequence[str] | None = None) -> str:
    """Give a response up to its step `index`, without the space before that step; `steps` are by default its own."""
    return response[: _place(response, index, steps)].rstrip()


def text_with(response: str, index: int, step: str) -> str:
    """Give a response up to its step `index`, followed by another step in place of that one."""
    return response[: _place(response, index)] + step


def text_through(response: str, index: int) -> str:
    """Give a response up to the end of its step `index`."""
    return response[: _place(response, index) + len(split_steps(response)[index])]


def step_at(response: str, position: int) -> int | None:
    """Give the index of the step that has the character at `position`, or else the next one; None if none follows."""
    end = 0
    for index, step in enumerate(split_steps(response)):
        end = response.index(step, end) + len(step)
        if position < end:
            return index
    return None


def _place(response: str, index: int, steps: Sequence[str] | None = None) -> int:
    """Where a step begins; steps are slices of the response, in order."""
    place, steps = 0, split_steps(response) if steps is None else steps
    for step in steps[:index]:
        place = response.index(step, place) + len(step)
    return response.index(steps[index], place)


def _lines(masked: str, begin: int) -> list[_Fields]:
    lines: list[_Fields] = []
    start, is_after_gap = begin, True
    for line in masked[begin:].split("\n"):
        text = line.strip()
        if text and not (text[0] in "-*_=" and _RULE.fullmatch(text)):
            indent = len(line) - len(line.lstrip()) if len(text) < len(line) else 0
            role: _Role | None = None
            is_lead = False
            if len(text) > 4 or not text.isalnum():  # short words, of which there can be most, have no role
                role = _role(text)
                is_lead = (text[0] in "#*_" or text[-1] in ":*_") and _is_lead(text, role)
                if role is None and (is_lead or "|" in text or DISPLAY in text):
                    role = "other"
            begin = start + indent
            lines.append((begin, begin + len(text), text, indent, is_after_gap, role, is_lead))
            is_after_gap = False
        else:
            is_after_gap = True
        start += len(line) + 1
    return lines


def _role(text: str) -> _Role | None:
    for role, pattern in _ROLES_BY_START.get("0" if text[0].isdigit() else text[0], ()):
        if pattern.match(text):
            return role
    return None


def _is_lead(text: str, role: _Role | None) -> bool:
    if text[0] in "#*_" and role != "answer" and _HEADING.match(text):
        return True
    return text[-1] in ":*_" and text.rstrip("*_ ").endswith(":")


def _separation(lines: list[_Fields]) -> _Separation:
    roles = [role for _, _, _, _, _, role, _ in lines if role is not None]
    if roles.count("section") >= 2:
        return "section"
    if roles.count("number") >= 2:
        return "number"
    paragraphs = (line for line in map(_line, lines) if line.is_after_gap and line.role not in ("display", "answer"))
    return "paragraph" if len(list(islice(paragraphs, 3))) == 3 else "line"


def _blocks(lines: Iterator[_Line], separation: _Separation) -> Iterator[tuple[int, int]]:
    """Start and end of each block of lines that belong together."""
    first = last = next(lines, None)
    if first is None or last is None:
        return
    holds_list = holds_table = False
    for line in lines:
        if line.role is None and last.role is None and first.role != separation:  # most lines of most texts
            is_row, continues = False, separation == "paragraph" and not line.is_after_gap
        else:
            is_row = _is_next_row(last, line, holds_table=holds_table)
            continues = _continues(first, last, line, separation, holds_list=holds_list, is_row=is_row)
        if continues:
            holds_list = holds_list or (last.is_lead and line.role == "bullet")
            holds_table = is_row
        else:
            yield first.start, last.end
            first, holds_list, holds_table = line, False, False
        last = line
    yield first.start, last.end


def _continues(
    first: _Line, last: _Line, line: _Line, separation: _Separation, *, holds_list: bool, is_row: bool
) -> bool:
    """Whether a line belongs to the block before it, of which the first and the last line are given.

    Args:
        first: It may begin with the author's own step number.
        last: It may introduce the line.
        line: The line.
        separation: What separates the steps.
        holds_list: Whether a colon introduced a bulleted list in the block, which may continue.
        is_row: Whether the line is a row of the table that the last line belongs to.
    """
    is_numbered = first.role == separation
    if line.role == "answer":
        return False
    if line.role == separation:
        return last.is_lead and not is_numbered
    if line.role == "display" or last.is_lead or (is_numbered and separation == "section"):
        return True
    if is_row:
        return True
    if line.role == "bullet":
        return holds_list or line.indent > first.indent
    if is_numbered:
        return not line.is_after_gap or line.indent > first.indent
    is_after_display = DISPLAY in last.text[-3:]
    if line.role == "relation" or (is_after_display and line.text[0].islower()):
        return True
    return separation == "paragraph" and not line.is_after_gap


def _is_next_row(last: _Line, line: _Line, *, holds_table: bool) -> bool:
    """Whether a line and the one before it are rows of a table, of which a rule or bars at both ends tell."""
    row, previous = line.text, last.text
    if line.is_after_gap or "|" not in row or "|" not in previous:
        return False
    if holds_table or _TABLE_RULE.fullmatch(row):
        return True
    return all(text.startswith("| ") and text.endswith(" |") for text in (row, previous))


def _cut(blocks: list[tuple[int, int]], response: str, masked: str, sentences_of_a_paragraph: float) -> Iterator[str]:
    """Cut blocks further: between sentences if they are paragraphs, otherwise before the answer."""
    ends = [end.end() for end in _SENTENCE_END.finditer(masked, blocks[0][0])] if blocks else []
    place = 0
    for start, end in blocks:
        since = bisect_right(ends, start, place)
        place = bisect_left(ends, end, since)
        if since < place:
            within = [end for end in ends[since:place] if not _ABBREVIATION.search(masked, end - 12, end)]
            for cut in _cuts(masked, start, within, sentences_of_a_paragraph):
                yield response[start:cut].strip()
                start = cut
        yield response[start:end].strip()


def _cuts(masked: str, start: int, ends: list[int], sentences_of_a_paragraph: float) -> list[int]:
    """Which ends of sentences cut the block that begins at `start`."""
    number = _STEP_NUMBER.match(masked, start)
    begin = number.end() if number else start
    cuts = [end for end in ends if end > begin]
    if len(cuts) + 1 >= sentences_of_a_paragraph:
        return cuts
    return [cut for cut in cuts if _ANSWER.match(masked[cut : cut + 60].lstrip())]


_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


def is_shortcut(refinement: str, response: str) -> bool:
    """Tell whether a refinement gives an answer without working it out: it has at least three numbers fewer.

    This is the official code's guard against answers copied from a critique (`selfimprove/inference.py`), which also
    counts the numbers of a reference solution; here a reference solution is not required.
    """
    return len(_NUMBER.findall(refinement)) < len(_NUMBER.findall(response)) - 2
