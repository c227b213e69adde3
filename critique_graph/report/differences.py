"""What a refinement changed of the response that was critiqued, by lines, and by words in lines that changed."""

import re
from collections.abc import Callable, Iterator, Sequence
from difflib import SequenceMatcher
from itertools import groupby
from typing import Literal

Piece = tuple[Literal["=", "-", "+"], str]
"""A piece of text that stayed, went or came."""

_PIECES = re.compile(r"\s+|\w+|[^\w\s]")
_MOST_COMPARED = 250_000
"""Most pairs of pieces that are compared; beyond, a block of lines is shown as replaced."""


def differences(before: str, after: str) -> tuple[Piece, ...]:
    """Give the pieces that turn `before` into `after`."""
    pieces = _compared(before.splitlines(keepends=True), after.splitlines(keepends=True), _words)
    return tuple((kind, "".join(text for _, text in group)) for kind, group in groupby(pieces, lambda piece: piece[0]))


def _words(before: str, after: str) -> Iterator[Piece]:
    old, new = _PIECES.findall(before), _PIECES.findall(after)
    if len(old) * len(new) <= _MOST_COMPARED:
        yield from _compared(old, new, _whole)
    else:
        yield from _whole(before, after)


def _whole(before: str, after: str) -> Iterator[Piece]:
    yield "-", before
    yield "+", after


def _compared(
    old: Sequence[str], new: Sequence[str], replaced: Callable[[str, str], Iterator[Piece]]
) -> Iterator[Piece]:
    for kind, a, b, c, d in SequenceMatcher(None, old, new).get_opcodes():
        before, after = "".join(old[a:b]), "".join(new[c:d])
        if kind == "equal":
            yield "=", before
        else:
            yield from (piece for piece in replaced(before, after) if piece[1])
