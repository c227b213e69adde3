"""Split a response into reasoning steps, in linear time.

`split_steps` follows the author's own structure where there is one (numbered steps, paragraphs, lines) and
falls back to sentences; formulas, code and drawings are never cut.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

_Separation = Literal["section", "number", "paragraph", "line"]

# Formulas, code and drawings are replaced by these characters before ends of lines and sentences are searched for.
_INLINE, _DISPLAY = "\x01", "\x02"
_FULL_STOP = "\x03"  # the last character of a formula that ends a sentence: `$x = 3.$`
_DISPLAY_END = "\x04"  # the last character of any other displayed formula

_DELIMITER = re.compile(
    r"\\[\\$]"  # an escaped backslash or dollar delimits nothing
    r"|```|\[/?asy\]|\\(?:begin|end)\{[a-zA-Z]{1,20}\*?\}|\\[\[\]()]|\$\$?"
    r"|\n[^\S\n]*+\n"
)
_CLOSERS = {"```": "```", "[asy]": "[/asy]", "\\[": "\\]", "\\(": "\\)", "$$": "$$", "$": "$"}
_ENDS_SENTENCE = re.compile(r"(?<!\.)[.?]\s{0,3}(?:\\end\{[a-zA-Z]{1,20}\*?\}\s{0,3})?\Z")

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
_SENTENCE_START = rf"[\"'\u201c\u2018(*_\[]{{0,3}}[A-Z0-9\\{_INLINE}]"
_SENTENCE_END = re.compile(
    rf"(?:(?<!\.)\.(?!\.)|[!?])[)\]\"'\u201d\u2019*_]{{0,3}}(?=\s++{_SENTENCE_START})"
    rf"|{_FULL_STOP}(?=\s*+{_SENTENCE_START})"
    rf"|{_DISPLAY_END}(?=\s*+[A-Z])"
)
_ABBREVIATION = re.compile(r"\b(?:e\.g|i\.e|vs|cf|mrs?|ms|dr|st|approx|fig|eq|step\s\d{1,3})\.\Z", re.I)

_RULE = re.compile(r"-{3,}|\*{3,}|_{3,}|={3,}")
_ITEMS: dict[_Separation, re.Pattern[str]] = {
    "section": re.compile(
        r"(?:#{1,6}\s{1,2})?[*_]{0,3}step\s{0,2}\d{1,3}[*_]{0,3}\s{0,2}(?:[-:.)\u2013\u2014]|\Z)", re.I
    ),
    "number": re.compile(r"[*_]{0,3}\(?\d{1,3}[.)][*_]{0,3}\s"),
}
_HEADING = re.compile(r"#{1,6}\s|(?:\*\*|__)[^*_]{1,200}(?<![.!?])(?:\*\*|__)\Z")
_BULLET = re.compile(r"[-+*•]\s")
_RELATIONS = "=<>≈≤≥⇒→"
_TABLE_RULE = re.compile(r"\|?[ \t]*+:?-++:?[ \t]*+(?:\|[ \t]*+:?-++:?[ \t]*+)*+\|?")
_ANSWER_STARTS = frozenset('*_("sSthHtTmMaAfF#')
"""First characters of a line that gives the answer; looking at them spares most lines the pattern."""
_SENTENCES_OF_A_PARAGRAPH = 3


@dataclass(slots=True)
class _Line:
    """A line that is not blank; `start` and `end` enclose its text without the space around it."""

    start: int
    end: int
    text: str
    """Masked."""
    indent: int
    is_after_gap: bool
    is_answer: bool
    is_lead: bool
    """Whether it introduces the following text: a heading, or a line that ends in a colon."""
    is_section: bool
    is_number: bool

    def is_item(self, separation: _Separation) -> bool:
        """Whether it begins with the author's own step number."""
        return self.is_section if separation == "section" else separation == "number" and self.is_number


@dataclass(slots=True)
class _Block:
    """Lines that belong together, of which only the first and the last are kept."""

    first: _Line
    last: _Line
    holds_list: bool = False
    """Whether a colon introduced a bulleted list, which may continue."""
    holds_table: bool = False
    """Whether its last lines are rows of a table."""


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
    masked = _mask(response)
    preamble = _PREAMBLE.match(masked)
    begin = preamble.end() if preamble else 0
    # The lines are read twice: to keep the objects of a long text would cost more than to make them again.
    separation = _separation(_lines(masked, begin))
    steps: list[str] = []
    block: _Block | None = None
    for line in _lines(masked, begin):
        if block is not None and _continues(block, line, separation):
            if block.last.is_lead and _BULLET.match(line.text):
                block.holds_list = True
            block.holds_table = _continues_table(block, line)
            block.last = line
        else:
            if block is not None:
                steps += _steps_of(block, response, masked, separation, is_last=False)
            block = _Block(line, line)
    if block is not None:
        steps += _steps_of(block, response, masked, separation, is_last=True)
    return tuple(steps)


def is_answer(step: str) -> bool:
    """Tell whether a step gives the answer ("The answer is ...") instead of reasoning."""
    return _ANSWER.match(step) is not None


def text_before(response: str, index: int) -> str:
    """Give a response up to its step `index`, without the space before that step."""
    return response[: _place(response, index)].rstrip()


def text_with(response: str, index: int, step: str) -> str:
    """Give a response up to its step `index`, followed by another step in place of that one."""
    return response[: _place(response, index)] + step


def text_through(response: str, index: int) -> str:
    """Give a response up to the end of its step `index`."""
    return response[: _place(response, index) + len(split_steps(response)[index])]


def _place(response: str, index: int) -> int:
    """Where a step begins; steps are slices of the response, in order."""
    place = 0
    for step in split_steps(response)[:index]:
        place = response.index(step, place) + len(step)
    return response.index(split_steps(response)[index], place)


def _mask(text: str) -> str:
    pieces, cursor = [], 0
    for start, closer, end, is_display in _opaque_spans(text):
        if _ENDS_SENTENCE.search(text, max(start, closer - 40), closer):
            last = _FULL_STOP
        else:
            last = _DISPLAY_END if is_display else _INLINE
        body = _DISPLAY if is_display else _INLINE
        pieces += [text[cursor:start], body * (end - start - 1), last]
        cursor = end
    return "".join([*pieces, text[cursor:]])


def _opaque_spans(text: str) -> Iterator[tuple[int, int, int, bool]]:
    """Formulas, code and drawings: start, start of the closing delimiter, end, and whether displayed."""
    marks = list(_DELIMITER.finditer(text))
    names = [mark[0] if mark[0][0] != "\n" else "\n" for mark in marks]
    nearest: dict[str, int] = {}
    closing: list[int | None] = [None] * len(marks)
    for index in range(len(marks) - 1, -1, -1):
        name = names[index]
        close = nearest.get(_CLOSERS.get(name, name.replace("\\begin", "\\end")))
        if name in ("$", "\\("):
            if (
                close is not None
                and close < nearest.get("\n", len(marks))
                and _is_inline(text, marks[index], marks[close])
            ):
                closing[index] = close
        elif name in _CLOSERS or name.startswith("\\begin"):
            closing[index] = close
        nearest[name] = index
    index = 0
    while index < len(marks):
        close = closing[index]
        if close is not None:
            yield (
                marks[index].start(),
                marks[close].start(),
                marks[close].end(),
                names[index] not in ("$", "\\("),
            )
            index = close
        index += 1


def _is_inline(text: str, opener: re.Match[str], closer: re.Match[str]) -> bool:
    """Tell a formula from amounts of money: `$x$` and `$ x $`, but not `$5 and $6` (pandoc's rule)."""
    if opener[0] != "$":
        return True
    inner = text[opener.end() : closer.start()]
    return (
        inner != ""
        and inner[0].isspace() == inner[-1].isspace()
        and not text[closer.end() : closer.end() + 1].isdigit()
    )


def _lines(masked: str, begin: int) -> Iterator[_Line]:
    start, is_after_gap = begin, True
    for line in masked[begin:].split("\n"):
        text = line.strip()
        first = text[:1]
        if text and not (first in "-*_=" and _RULE.fullmatch(text)):
            indent = len(line) - len(line.lstrip())
            is_answer = first in _ANSWER_STARTS and _ANSWER.match(text) is not None
            is_heading = first in "#*_" and not is_answer and _HEADING.match(text) is not None
            yield _Line(
                start=start + indent,
                end=start + indent + len(text),
                text=text,
                indent=indent,
                is_after_gap=is_after_gap,
                is_answer=is_answer,
                is_lead=is_heading or (text[-1] in ":*_" and text.rstrip("*_ ").endswith(":")),
                is_section=first in "#*_sS" and _ITEMS["section"].match(text) is not None,
                is_number=(first in "*_(" or first.isdigit()) and _ITEMS["number"].match(text) is not None,
            )
            is_after_gap = False
        else:
            is_after_gap = True
        start += len(line) + 1


def _separation(lines: Iterable[_Line]) -> _Separation:
    sections = numbers = paragraphs = 0
    for line in lines:
        sections += line.is_section
        numbers += line.is_number
        paragraphs += line.is_after_gap and line.text[0] != _DISPLAY and not line.is_answer
    if sections >= 2:
        return "section"
    if numbers >= 2:
        return "number"
    return "paragraph" if paragraphs >= 3 else "line"


def _continues(block: _Block, line: _Line, separation: _Separation) -> bool:
    """Whether a line belongs to the block before it."""
    previous, is_numbered = block.last, block.first.is_item(separation)
    if line.is_answer:
        return False
    if line.is_item(separation):
        return previous.is_lead and not is_numbered
    if line.text[0] == _DISPLAY or previous.is_lead or (is_numbered and separation == "section"):
        return True
    if _continues_table(block, line):
        return True
    if _BULLET.match(line.text):
        return block.holds_list or line.indent > block.first.indent
    if is_numbered:
        return not line.is_after_gap or line.indent > block.first.indent
    is_after_display = _DISPLAY in previous.text[-3:]
    if line.text[0] in _RELATIONS or (is_after_display and line.text[0].islower()):
        return True
    return separation == "paragraph" and not line.is_after_gap


def _continues_table(block: _Block, line: _Line) -> bool:
    """Whether a line and the one before it are rows of a table, of which a rule or bars at both ends tell."""
    row, previous = line.text, block.last.text
    if line.is_after_gap or "|" not in row or "|" not in previous:
        return False
    if block.holds_table or _TABLE_RULE.fullmatch(row):
        return True
    return all(text.startswith("| ") and text.endswith(" |") for text in (row, previous))


def _steps_of(block: _Block, response: str, masked: str, separation: _Separation, *, is_last: bool) -> Iterator[str]:
    start, end = block.first.start, block.last.end
    for cut in _cuts(masked, block, separation, is_last=is_last):
        yield response[start:cut].strip()
        start = cut
    yield response[start:end].strip()


def _cuts(masked: str, block: _Block, separation: _Separation, *, is_last: bool) -> list[int]:
    """Where a block is cut further: between sentences if it is a long line, otherwise before the answer."""
    if separation != "line" and not is_last:
        return []
    number = _ITEMS["number"].match(masked, block.first.start)
    ends = _SENTENCE_END.finditer(masked, number.end() if number else block.first.start, block.last.end)
    cuts = [end.end() for end in ends if not _ABBREVIATION.search(masked, end.end() - 12, end.end())]
    if not cuts or (separation == "line" and len(cuts) + 1 >= _SENTENCES_OF_A_PARAGRAPH):
        return cuts
    return [cut for cut in cuts if _ANSWER.match(masked[cut : cut + 60].lstrip())]


_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


def is_shortcut(refinement: str, response: str) -> bool:
    """Tell whether a refinement gives an answer without working it out: it has at least three numbers fewer.

    This is the official code's guard against answers copied from a critique (`selfimprove/inference.py`), which also
    counts the numbers of a reference solution; here a reference solution is not required.
    """
    return len(_NUMBER.findall(refinement)) < len(_NUMBER.findall(response)) - 2
