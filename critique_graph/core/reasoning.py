"""Separate a model's reasoning, such as the text between `<think>` and `</think>`, from its answer.

The structure of the reply decides: a block at its beginning is reasoning in any case. Other tags count only where the
model cannot have quoted them, because nothing that it was shown mentions such tags. A response can therefore not move
its critic's words into the reasoning, or its own words out of it.

`ReasoningSplitter` takes a reply that is streamed, and `split_reasoning` a whole one.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

TAG_NAMES = (
    *("think", "thinking", "thought", "thoughts", "reasoning", "reflection", "analysis", "scratchpad"),
    *("seed:think", "longcat_think", "mm:think"),
)
"""Names of reasoning tags that models write in angle brackets, as in `<think>`."""

_FINAL_CHANNEL = "<|channel|>final<|message|>"
_BLOCKS = {
    **{f"<{name}>": f"</{name}>" for name in TAG_NAMES},
    "[think]": "[/think]",  # Mistral
    "\u25c1think\u25b7": "\u25c1/think\u25b7",  # Kimi
    "<|channel|>analysis<|message|>": _FINAL_CHANNEL,  # gpt-oss
    "<|start|>assistant<|channel|>analysis<|message|>": _FINAL_CHANNEL,
    "<|channel>thought": "<channel|>",  # Gemma
    "<|start_thinking|>": "<|end_thinking|>",  # Command A
    "<|begin_of_thought|>": "<|end_of_thought|>",
    "<unused94>": "<unused95>",
}
"""The tag that closes a block, by the tag that opens it; capitals do not matter."""
_FLAGS = re.IGNORECASE | re.ASCII


def _any_of(tags: list[str]) -> str:
    return "|".join(map(re.escape, sorted(tags, key=len, reverse=True)))


_OPENING = re.compile(_any_of([*_BLOCKS]), _FLAGS)
_CLOSING = {closing: re.compile(re.escape(closing), _FLAGS) for closing in _BLOCKS.values()}
_TAG = re.compile(_any_of([*_BLOCKS, *_CLOSING]), _FLAGS)
_BARE_CHANNELS = re.compile(r"\s*+analysis(?=[^\s\w]|[A-Z0-9])(.*?)assistantfinal(.*)", re.DOTALL)
"""Both channels of gpt-oss, where the server has removed the tokens around their names."""
_MENTION = re.compile(
    rf"(?:[<\[\u25c1]|&lt;|&\#91;)/?(?:{'|'.join(TAG_NAMES)})[>\]\u25b7]"
    r"|<?\|?channel\|?>|(?:start|end)_thinking\||_of_thought\||unused9[45]",
    _FLAGS,
)


class Piece(NamedTuple):
    """A part of a reply."""

    text: str
    is_reasoning: bool


class ReasoningSplitter:
    """Separates a reply into reasoning and answer while it arrives; space around the reasoning is in neither part.

    Only a block at the beginning of a reply counts, up to the first tag that closes it.

    Example:
        ```python
        splitter = ReasoningSplitter()
        pieces = [*splitter.feed("<think>2 + 3"), *splitter.feed("</think>5"), *splitter.end()]
        ```
    """

    def __init__(self, *, closing: str | None = None) -> None:
        """Begin a reply; with `closing`, begin in the middle of its reasoning, which that tag ends."""
        self._is_undecided = closing is None
        self._closing = closing
        self._drops_space = closing is not None
        self._pending = ""

    def feed(self, text: str) -> Iterator[Piece]:
        """Take more of the reply; give the pieces whose part is already certain."""
        self._pending += text
        if self._is_undecided:
            begun = self._pending.lstrip()
            if any(tag.startswith(begun.lower()) and tag != begun.lower() for tag in _BLOCKS):
                return
            self._is_undecided = False
            if opening := _OPENING.match(begun):
                self._closing, self._drops_space = _BLOCKS[opening[0].lower()], True
                self._pending = begun[opening.end() :]
        if self._closing is not None:
            closed = _CLOSING[self._closing].search(self._pending)
            if closed is None:
                ready = _without_beginning_of(self._closing, self._pending).rstrip()
                self._pending = self._pending[len(ready) :]
                yield from self._piece(ready)
                return
            yield from self._piece(self._pending[: closed.start()].rstrip())
            self._closing, self._drops_space, self._pending = None, True, self._pending[closed.end() :]
        text, self._pending = self._pending, ""
        yield from self._piece(text)

    def end(self) -> Iterator[Piece]:
        """End the reply and give the text that was held back."""
        text, self._pending = self._pending, ""
        yield from self._piece(text if self._closing is None else text.rstrip())

    def _piece(self, text: str) -> Iterator[Piece]:
        if self._drops_space:
            text = text.lstrip()
        if text:
            self._drops_space = False
            yield Piece(text, self._closing is not None)


def split_reasoning(text: str, *, may_quote: bool = False) -> tuple[str | None, str]:
    """Split a whole reply into its reasoning (None without any) and the answer, in linear time.

    With `may_quote`, what the model was shown mentions such tags, and only a block at the beginning is reasoning.
    Otherwise reasoning is also a later block that begins a line, with the blocks inside it, and everything before a
    closing tag that has no opening one, because the chat template opened that block.
    """
    if bare := _BARE_CHANNELS.match(text):
        return bare[1].strip() or None, bare[2].strip()
    if may_quote:
        splitter = ReasoningSplitter()
        pieces = [*splitter.feed(text), *splitter.end()]
        if not any(piece.is_reasoning for piece in pieces) and "".join(piece.text for piece in pieces) == text:
            return None, text
        reasoning = "".join(piece.text for piece in pieces if piece.is_reasoning)
        return reasoning or None, "".join(piece.text for piece in pieces if not piece.is_reasoning).strip()
    spans = _blocks(text) if _may_hold_tags(text) else []
    if not spans:
        return None, text
    edges = [0, *(edge for span in spans for edge in span), len(text)]
    answer = "".join(text[start:end] for start, end in zip(edges[::2], edges[1::2], strict=True))
    reasoning = "\n".join(_TAG.sub("", text[start:end]).strip() for start, end in spans).strip()
    return reasoning or None, answer.strip()


def holds_tags(text: str) -> bool:
    """Say whether a reasoning tag is in `text`; without one, `may_quote` makes no difference to `split_reasoning`."""
    return _may_hold_tags(text) and _TAG.search(text) is not None


def _may_hold_tags(text: str) -> bool:
    """Say whether a character with which tags begin is in `text`: most texts need not be searched."""
    return "<" in text or "[" in text or "\u25c1" in text


def mentions_reasoning(text: str) -> bool:
    """Say whether a reasoning tag is in `text`, also in the harmless form that `untrusted.py` gives it."""
    return _MENTION.search(text) is not None


def open_block(text: str) -> str | None:
    """Give the tag that closes the block in which `text` ends; None when it does not end inside reasoning."""
    tags = _TAG.findall(text)
    return _BLOCKS.get(tags[-1].lower()) if tags else None


def opened_at_end(prompt: str) -> str:
    """Give the tag with which `prompt` ends if it opens a block, without the space after it, and otherwise nothing."""
    tags = _OPENING.findall(prompt)
    return tags[-1] if tags and prompt.rstrip().endswith(tags[-1]) else ""


def _blocks(text: str) -> list[tuple[int, int]]:
    """Where the reasoning of a reply without quotations begins and ends."""
    tags = list(_TAG.finditer(text))
    first, tail = len(text) - len(text.lstrip()), _closing_tail(text, tags)
    spans: list[tuple[int, int]] = []
    opening, begin, depth, inline = "", 0, 0, 0
    end: int | None = None
    for tag in tags:
        name = tag[0].lower()
        if depth:
            if name == opening:
                depth += 1
            elif name not in _BLOCKS:
                depth, end = depth - (name == _BLOCKS[opening]), tag.end()
                if not depth:
                    spans.append((begin, end))
        elif name in _BLOCKS:
            if tag.start() == first or _is_structural(text, tag):
                opening, begin, depth, end = name, tag.start(), 1, None
            else:
                inline += 1
        elif inline:
            inline -= 1
        elif spans and tag.start() >= tail:  # after the answer, it closes nothing
            spans.append(tag.span())
        else:
            spans = [(0, tag.end())]
    if depth:  # cut off, or closed with another tag
        spans.append((begin, len(text) if end is None else end))
    return spans


def _is_structural(text: str, tag: re.Match[str]) -> bool:
    """Whether an opening tag begins a line, or is one token of the model's template."""
    _, newline, before = text[max(0, tag.start() - 8) : tag.start()].rpartition("\n")
    return tag[0].startswith(("<|", "<unused")) or (newline != "" and not before.strip())


def _closing_tail(text: str, tags: list[re.Match[str]]) -> int:
    """Where the end of `text` begins in which only closing tags and space stand."""
    end = len(text)
    for tag in reversed(tags):
        if tag[0].lower() in _BLOCKS or text[tag.end() : end].strip():
            break
        end = tag.start()
    return end


def _without_beginning_of(tag: str, text: str) -> str:
    """Remove from the end of `text` what may be the beginning of `tag`."""
    lengths = range(len(tag) - 1, 0, -1)
    return next((text[:-n] for n in lengths if text[-n:].lower() == tag[:n]), text)
