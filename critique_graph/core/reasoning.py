"""Separate a model's reasoning, the text between `<think>` and `</think>`, from the answer that follows.

`ReasoningSplitter` takes a reply that is streamed, and `split_reasoning` a whole one. `after_reasoning` finds the
answer in a text of unknown origin, such as a critique from other people's data.
"""

from collections.abc import Iterator
from typing import NamedTuple

OPEN, CLOSE = "<think>", "</think>"


class Piece(NamedTuple):
    """A part of a reply."""

    text: str
    is_reasoning: bool


class ReasoningSplitter:
    """Separates a reply into reasoning and answer while it arrives; space around the reasoning is in neither part.

    Only a block at the beginning of a reply counts.

    Example:
        ```python
        splitter = ReasoningSplitter()
        pieces = [*splitter.feed("<think>2 + 3"), *splitter.feed("</think>5"), *splitter.end()]
        ```
    """

    def __init__(self, *, is_inside: bool = False) -> None:
        """Begin a reply; with `is_inside`, begin in the middle of its reasoning."""
        self._is_undecided = not is_inside
        self._is_inside = is_inside
        self._drops_space = is_inside
        self._pending = ""

    def feed(self, text: str) -> Iterator[Piece]:
        """Take more of the reply; give the pieces whose part is already certain."""
        self._pending += text
        if self._is_undecided:
            begun = self._pending.lstrip()
            if OPEN.startswith(begun[: len(OPEN)]) and len(begun) < len(OPEN):
                return
            self._is_undecided = False
            if begun.startswith(OPEN):
                self._is_inside = self._drops_space = True
                self._pending = begun.removeprefix(OPEN)
        if self._is_inside:
            reasoning, closing, rest = self._pending.partition(CLOSE)
            if not closing:
                ready = _without_beginning_of(CLOSE, reasoning).rstrip()
                self._pending = reasoning[len(ready) :]
                yield from self._piece(ready)
                return
            yield from self._piece(reasoning.rstrip())
            self._is_inside, self._drops_space, self._pending = False, True, rest
        text, self._pending = self._pending, ""
        yield from self._piece(text)

    def end(self) -> Iterator[Piece]:
        """End the reply and give the text that was held back."""
        text, self._pending = self._pending, ""
        yield from self._piece(text.rstrip() if self._is_inside else text)

    def _piece(self, text: str) -> Iterator[Piece]:
        if self._drops_space:
            text = text.lstrip()
        if text:
            self._drops_space = False
            yield Piece(text, self._is_inside)


def split_reasoning(text: str) -> tuple[str | None, str]:
    """Split a whole reply into its reasoning (None without any) and the answer.

    Three kinds of block count: one at the beginning of the reply, one that the token limit cut off, and one that the
    chat template opened, so that only its end is in the reply.
    """
    is_opened = text.lstrip().startswith(OPEN)
    if not is_opened and CLOSE not in text:
        return None, text
    splitter = ReasoningSplitter(is_inside=not is_opened)
    pieces = [*splitter.feed(text), *splitter.end()]
    reasoning = "".join(piece.text for piece in pieces if piece.is_reasoning)
    return reasoning or None, "".join(piece.text for piece in pieces if not piece.is_reasoning).strip()


def after_reasoning(text: str) -> str:
    """Give the text after the last block of reasoning, wherever it is; without such a block, give the whole text."""
    return text.rpartition(CLOSE)[2].partition(OPEN)[0]


def has_reasoning_tag(text: str) -> bool:
    """Say whether a block begins or ends in `text`."""
    return OPEN in text or CLOSE in text


def is_inside_reasoning(text: str) -> bool:
    """Say whether `text` ends inside reasoning, that is, in a block that is still open."""
    return text.rfind(OPEN) > text.rfind(CLOSE)


def _without_beginning_of(tag: str, text: str) -> str:
    """Remove from the end of `text` what may be the beginning of `tag`."""
    lengths = range(len(tag) - 1, 0, -1)
    return next((text[:-n] for n in lengths if text.endswith(tag[:n])), text)
