"""A request of `ChatTransformers` while it generates: it takes tokens, gives text, and knows when to end."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any

from critique_graph.engines.request import LONGEST_PATTERN, REPEATED, SHORTEST_PATTERN, Completion, Request

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_PENDING_TOKENS = 8
"""Maximum number of tokens that wait for the rest of a character; beyond that, the model wrote broken bytes."""

_PROMPT_TAIL_TOKENS = 8
"""Prompt tokens decoded before the output, so that decoders that strip a text's first space keep the output's."""


@dataclass(frozen=True, slots=True)
class TokenLogprobs:
    """Log probabilities of a sampled token and its alternatives, before temperature and top_p."""

    logprob: float
    top: tuple[tuple[int, float], ...]
    """(token id, log probability), the most probable first."""


class BatchRow:
    """A request while it generates: it takes tokens, gives text, and knows when to end."""

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
        """Number of prompt tokens that were already computed for another row."""
        self._limit = limit
        self._end_tokens = end_tokens
        self._text = _TextStream(tokenizer, prompt[-_PROMPT_TAIL_TOKENS:])
        self._sent = 0
        self._held = max(map(len, self.sampling.stop), default=1) - 1
        """Number of last characters that may be the beginning of a stop string and are not streamed yet."""
        self._logprobs: list[dict[str, Any]] = []
        self._tokenizer = tokenizer
        self._count = 0
        self._recent: deque[int] = deque(maxlen=LONGEST_PATTERN * REPEATED)
        self._choices = [
            tuple(tokenizer.encode(choice, add_special_tokens=False).ids) for choice in self.sampling.choices
        ]
        """Rests of the texts of which the reply must be one."""

    @property
    def allowed(self) -> list[int]:
        """Tokens of which the next one must be one; none: any."""
        return sorted({choice[0] for choice in self._choices})

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
        self._choices = [choice[1:] for choice in self._choices if choice[0] == token]
        searched = max(0, len(self._text.text) - self._held)
        text = self._text.add(token)
        ends = [end for stop in self.sampling.stop if (end := text.find(stop, searched)) >= 0]
        if ends:
            self._finish(text[: min(ends)], "stop")
        elif () in self._choices:
            self._finish(text, "stop")
        elif self._count == self._limit:
            self._finish(text, "length")
        elif self.sampling.stop_repetition and self._repeats(token):
            self._finish(text, "repetition")
        else:
            self._send(text[: max(0, len(text) - self._held)])

    def _repeats(self, token: int) -> bool:
        """Tell whether the text with one more token ends with copies of a pattern."""
        self._recent.append(token)
        recent = list(self._recent)
        for size in range(SHORTEST_PATTERN, min(LONGEST_PATTERN, len(recent) // REPEATED) + 1):
            if recent[-1] == recent[-1 - size]:
                tail = recent[-size * REPEATED :]
                if tail[:-size] == tail[size:]:
                    return True
        return False

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

    Only the last tokens are decoded again, with those before them as context; a character waits until all its bytes
    have arrived (the method of text-generation-inference; `tokenizers.decoders.DecodeStream` does the same, but raises
    on some byte sequences).
    """

    def __init__(self, tokenizer: "Tokenizer", context: Sequence[int]) -> None:
        self.text = ""
        self._tokenizer = tokenizer
        self._recent = list(context)
        self._known = len(context)
        """Number of recent tokens that are in `text` already."""

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
