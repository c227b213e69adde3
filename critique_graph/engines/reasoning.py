"""Reasoning kept apart from the answer: what a model writes between `<think>` and `</think>` before it replies."""

from collections.abc import Iterator
from typing import NamedTuple

OPEN, CLOSE = "<think>", "</think>"


class Piece(NamedTuple):
    """A part of a reply."""

    text: str
    is_reasoning: bool


class ReasoningSplitter:
    """Takes a reply apart while it arrives; space around the reasoning is in neither part.

    Only a block at the beginning of a reply counts.

    Example:
        ```python
        splitter = ReasoningSplitter()
        pieces = [*splitter.feed("<think>2 + 3"), *splitter.feed("</think>5"), *splitter.end()]
        ```
    """

    def __init__(self, *, is_inside: bool = False) -> None:
        """Begin a reply, or, `is_inside`, in the middle of its reasoning."""
        self._is_undecided = not is_inside
        self._is_inside = is_inside
        self._drops_space = is_inside
        self._pending = ""

    def feed(self, text: str) -> Iterator[Piece]:
        """Take more of the reply; give what can be told apart so far."""
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
        """Give what was held back; the reply is over."""
        text, self._pending = self._pending, ""
        yield from self._piece(text.rstrip() if self._is_inside else text)

    def _piece(self, text: str) -> Iterator[Piece]:
        if self._drops_space:
            text = text.lstrip()
        if text:
            self._drops_space = False
            yield Piece(text, self._is_inside)


def is_inside_reasoning(text: str) -> bool:
    """Say whether `text` ends within reasoning: a block is open."""
    return text.rfind(OPEN) > text.rfind(CLOSE)


def _without_beginning_of(tag: str, text: str) -> str:
    """Cut off what may be the beginning of `tag` at the end of `text`."""
    lengths = range(len(tag) - 1, 0, -1)
    return next((text[:-n] for n in lengths if text.endswith(tag[:n])), text)
