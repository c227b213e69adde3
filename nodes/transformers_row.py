"""One request to a local model, from messages to text: what `ChatTransformers` hands to its engine."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from critique_graph.errors import ModelCallError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_PENDING_TOKENS = 8
"""Tokens that may wait for the rest of a character; more, and the model really wrote broken bytes."""

_PROMPT_TAIL_TOKENS = 8
"""Decoded before the output: decoders that strip a text's first space must not strip a continuation's."""


class Sampling(BaseModel):
    """How one request is sampled."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    temperature: float = Field(ge=0)
    top_p: float = Field(gt=0, le=1)
    max_tokens: int | None = Field(gt=0)
    """None generates until the model ends its turn or its context is full."""
    seed: int | None
    stop: tuple[str, ...]
    top_logprobs: int | None = Field(ge=0)
    """How many rivals to report beside each token's log probability; None reports nothing."""


@dataclass(frozen=True, slots=True)
class Completion:
    """What came of a request."""

    text: str
    finish_reason: str
    input_tokens: int
    output_tokens: int
    """Every sampled token, the one that ends the turn included."""
    cached_tokens: int
    logprobs: tuple[dict[str, Any], ...] | None
    """One entry an output token, as in `logprobs.content` of OpenAI's chat completions."""


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """A conversation to continue. Cancelling `future` frees its row at the next token."""

    messages: Sequence[dict[str, str]]
    sampling: Sampling
    continue_final_message: bool = False
    on_text: Callable[[str], None] | None = None
    """Called in the engine's thread with each new piece of text, before `future` is done."""
    future: "Future[Completion]" = field(default_factory=Future)

    def settle(self, outcome: Completion | ModelCallError) -> None:
        """Set the future's outcome, unless it has one or its caller has cancelled it."""
        if self.future.done() or not self.future.set_running_or_notify_cancel():
            return
        if isinstance(outcome, Completion):
            self.future.set_result(outcome)
        else:
            self.future.set_exception(outcome)


@dataclass(frozen=True, slots=True)
class TokenLogprobs:
    """What the model gave a sampled token and its rivals, before temperature and top_p."""

    logprob: float
    top: tuple[tuple[int, float], ...]
    """(token id, log probability), likeliest first."""


class Row:
    """A request while it generates: takes tokens, gives text, and knows when to end."""

    def __init__(
        self,
        request: Request,
        prompt: tuple[int, ...],
        *,
        limit: int,
        end_tokens: frozenset[int],
        tokenizer: "Tokenizer",
    ) -> None:
        self.request = request
        self.prompt = prompt
        self.sampling = request.sampling
        self.random = Random(request.sampling.seed)
        self.cached_tokens = 0
        """Prompt tokens that were computed for another row."""
        self._limit = limit
        self._end_tokens = end_tokens
        self._text = _TextStream(tokenizer, prompt[-_PROMPT_TAIL_TOKENS:])
        self._sent = 0
        self._held = max(map(len, self.sampling.stop), default=1) - 1
        """How many last characters may be the beginning of a stop string: not streamed yet."""
        self._logprobs: list[dict[str, Any]] = []
        self._tokenizer = tokenizer
        self._count = 0

    @property
    def is_done(self) -> bool:
        """True when no more tokens are wanted."""
        return self.request.future.done()

    def take(self, token: int, logprobs: TokenLogprobs | None) -> None:
        """Receive the next token."""
        self._count += 1
        if logprobs is not None:
            rivals = [self._described(*rival) for rival in logprobs.top]
            self._logprobs.append(self._described(token, logprobs.logprob) | {"top_logprobs": rivals})
        if token in self._end_tokens:
            self._finish(self._text.text, "stop")
            return
        searched = max(0, len(self._text.text) - self._held)
        text = self._text.add(token)
        ends = [end for stop in self.sampling.stop if (end := text.find(stop, searched)) >= 0]
        if ends:
            self._finish(text[: min(ends)], "stop")
        elif self._count == self._limit:
            self._finish(text, "length")
        else:
            self._send(text[: max(0, len(text) - self._held)])

    def _send(self, text: str) -> None:
        if self.request.on_text is not None and len(text) > self._sent:
            self.request.on_text(text[self._sent :])
            self._sent = len(text)

    def _finish(self, text: str, reason: str) -> None:
        self._send(text)
        self.request.settle(
            Completion(
                text=text,
                finish_reason=reason,
                input_tokens=len(self.prompt),
                output_tokens=self._count,
                cached_tokens=self.cached_tokens,
                logprobs=None if self.sampling.top_logprobs is None else tuple(self._logprobs),
            )
        )

    def _described(self, token: int, logprob: float) -> dict[str, Any]:
        text = self._tokenizer.decode([token], skip_special_tokens=False)
        return {"token": text, "bytes": list(text.encode()), "logprob": logprob}


class _TextStream:
    """Text of tokens that arrive one by one, in time linear in their number.

    Only the last tokens are decoded again, with those before them as context, and a character whose bytes are
    not all there yet is waited for (the method of text-generation-inference;
    `tokenizers.decoders.DecodeStream` does the same, but raises on some byte sequences).
    """

    def __init__(self, tokenizer: "Tokenizer", context: Sequence[int]) -> None:
        self.text = ""
        self._tokenizer = tokenizer
        self._recent = list(context)
        self._known = len(context)
        """How many of the recent tokens are in `text` already."""

    def add(self, token: int) -> str:
        """Give the text with one more token."""
        before = self._tokenizer.decode(self._recent[: self._known])
        self._recent.append(token)
        after = self._tokenizer.decode(self._recent)
        is_whole = not after.endswith("�") or len(self._recent) - self._known > _PENDING_TOKENS
        if len(after) > len(before) and is_whole:
            self.text += after[len(before) :]
            self._recent = self._recent[self._known :]
            self._known = len(self._recent)
        return self.text
