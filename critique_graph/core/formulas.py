"""Mask the formulas, code and drawings of a text, so that none is cut where lines and sentences end."""

import re
from collections.abc import Iterator
from itertools import accumulate

# Formulas, code and drawings are replaced by these characters before ends of lines and sentences are searched for.
INLINE, DISPLAY = "\x01", "\x02"
FULL_STOP = "\x03"  # the last character of a formula that ends a sentence: `$x = 3.$`
DISPLAY_END = "\x04"  # the last character of any other displayed formula

_DELIMITER = re.compile(
    r"(\\[\\$]"  # an escaped backslash or dollar delimits nothing
    r"|```|\[/?asy\]|\\(?:begin|end)\{[a-zA-Z]{1,20}\*?\}|\\[\[\]()]|\$\$?)"
)
_CLOSERS = {"```": "```", "[asy]": "[/asy]", "\\[": "\\]", "\\(": "\\)", "$$": "$$", "$": "$"}
_GAP = re.compile(r"\n[^\S\n]*+\n")
_ENDS_SENTENCE = re.compile(r"(?<!\.)[.?]\s{0,3}(?:\\end\{[a-zA-Z]{1,20}\*?\}\s{0,3})?\Z")


def mask(text: str) -> str:
    """Replace each formula, piece of code and drawing by as many characters that no text holds; linear time."""
    pieces: list[str] = []
    cursor = 0
    for start, closer, end, is_display in _opaque_spans(text):
        before = text[closer - 1]
        if (before in ".?}" or before.isspace()) and _ENDS_SENTENCE.search(text, max(start, closer - 40), closer):
            last = FULL_STOP
        else:
            last = DISPLAY_END if is_display else INLINE
        body = DISPLAY if is_display else INLINE
        pieces += (text[cursor:start], body * (end - start - 1), last)
        cursor = end
    pieces.append(text[cursor:])
    return "".join(pieces)


def _opaque_spans(text: str) -> Iterator[tuple[int, int, int, bool]]:
    """Formulas, code and drawings: start, start of the closing delimiter, end, and whether displayed."""
    pieces = _DELIMITER.split(text)  # every other piece is a delimiter
    names, ends = pieces[1::2], list(accumulate(map(len, pieces)))[1::2]
    closing = _closing(names)
    index, gap = 0, -1
    while index < len(names):
        name, close = names[index], closing[index]
        if close is not None:
            begin, closer = ends[index], ends[close] - len(names[close])
            is_display = name not in ("$", "\\(")
            if not is_display and gap < begin:
                gap = _next_gap(text, begin)
            if is_display or (closer <= gap and (name != "$" or _is_formula(text, begin, closer))):
                yield begin - len(name), closer, ends[close], is_display
                index = close
        index += 1


def _closing(names: list[str]) -> list[int | None]:
    """For each delimiter the index of the next one that could close it."""
    closers = _CLOSERS | {name: name.replace("\\begin", "\\end") for name in set(names) if name.startswith("\\begin")}
    closing: list[int | None] = [None] * len(names)
    nearest: dict[str, int] = {}
    for index in range(len(names) - 1, -1, -1):
        name = names[index]
        if name in closers:
            closing[index] = nearest.get(closers[name])
        nearest[name] = index
    return closing


def _next_gap(text: str, start: int) -> int:
    """Where the next blank line is, which no formula within a line of text goes over; the end if there is none."""
    gap = _GAP.search(text, start)
    return gap.start() if gap else len(text)


def _is_formula(text: str, begin: int, closer: int) -> bool:
    """Tell what two dollars enclose from amounts of money: `$x$` and `$ x $`, but not `$5 and $6` (pandoc's rule)."""
    return (
        begin < closer
        and text[begin].isspace() == text[closer - 1].isspace()
        and not text[closer + 1 : closer + 2].isdigit()
    )
