"""Many requests generating at once with a transformers model: the decoding loop under `ChatTransformers`.

Rows join and leave the running batch between any two tokens, whereas `model.generate` computes every row until the
longest is done. Sampling draws one uniform number per token from the row's own generator, so a seed gives the same
text whatever else is in the batch, up to floating-point differences between batch shapes.
"""

from collections.abc import Iterator, Sequence
from inspect import signature
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel
from transformers.cache_utils import Cache, DynamicCache, DynamicLayer

from critique_graph.engines.transformers_row import BatchRow, TokenLogprobs

PREFILL_TOKENS = 4096
"""Padded prompt tokens of one forward pass; limits its memory and how long running rows wait for new ones."""

ROOM = 64
"""Free columns in a new buffer of keys and values; a full buffer is copied, once per this many tokens."""

_KeysValues = tuple[Tensor, Tensor]
"""Keys and values of one layer, each of shape (rows, heads, tokens, head size)."""


class Batch:
    """The rows that generate together. `admit` rows at any time; call `step` until `rows` is empty."""

    def __init__(self, model: PreTrainedModel) -> None:
        self.rows: list[BatchRow] = []
        self._model = model
        # transformers 5.24 renamed the argument, and warns of the old name
        self._cache_name = "cache" if "cache" in signature(model.forward).parameters else "past_key_values"
        self._slots = _Slots()
        self._logits = torch.empty(0)
        """Logits of each row's next token, shape (rows, vocabulary)."""

    def admit(self, rows: Sequence[BatchRow]) -> None:
        """Compute the prompts of `rows`, equal ones once, and let the rows take part in the next step."""
        by_prompt: dict[tuple[int, ...], list[BatchRow]] = {}
        for row in rows:
            by_prompt.setdefault(row.prompt, []).append(row)
        for prompts in _grouped(sorted(by_prompt, key=len)):
            cache, logits = self._prefill(prompts)
            sources = [index for index, prompt in enumerate(prompts) for _ in by_prompt[prompt]]
            self._slots.add(cache, sources, [len(prompts[source]) for source in sources])
            joined = logits[torch.tensor(sources, device=logits.device)]
            self._logits = torch.cat([self._logits, joined]) if self.rows else joined
            for prompt in prompts:
                for row in by_prompt[prompt][1:]:
                    row.cached_tokens = len(prompt)
                self.rows += by_prompt[prompt]

    def step(self) -> None:
        """Give every row its next token, drop the rows that are done, and compute the next logits of the others."""
        if not self.rows:
            return
        tokens = sample(self._logits, self.rows)
        for row, token, logprobs in zip(self.rows, tokens, _logprobs(self._logits, self.rows, tokens), strict=True):
            row.take(token, logprobs)
        for index in reversed(range(len(self.rows))):
            if self.rows[index].is_done:
                self._slots.remove(index)
                self.rows[index], tokens[index] = self.rows[-1], tokens[-1]
                self.rows.pop()
                tokens.pop()
        if self.rows:
            self._logits = self._decode(tokens)

    def _prefill(self, prompts: Sequence[tuple[int, ...]]) -> tuple[list[_KeysValues], Tensor]:
        width = len(prompts[-1])
        ids = torch.tensor(
            [[0] * (width - len(prompt)) + list(prompt) for prompt in prompts], device=self._model.device
        )
        mask = _left_padding_mask([len(prompt) for prompt in prompts], width, ids.device)
        cache = DynamicCache()
        logits = self._forward(ids, mask, (mask.cumsum(-1) - 1).clamp(min=0), cache)
        return [(keys, values) for keys, values, *_ in cache], logits

    def _decode(self, tokens: Sequence[int]) -> Tensor:
        self._slots.reserve(len(self.rows), right=1)
        lengths, device = self._slots.lengths, self._model.device
        logits = self._forward(
            torch.tensor(tokens, device=device)[:, None],
            _left_padding_mask([length + 1 for length in lengths], self._slots.width + 1, device),
            torch.tensor(lengths, device=device)[:, None],
            Cache(layers=list(self._slots.layers)),
        )
        self._slots.advance()
        return logits

    def _forward(self, ids: Tensor, mask: Tensor, positions: Tensor, cache: Cache) -> Tensor:
        output = self._model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            use_cache=True,
            logits_to_keep=1,
            **{self._cache_name: cache},
        )
        logits: Tensor = output.logits[:, -1].float()
        return logits


def _limited(logits: Tensor, rows: Sequence[BatchRow]) -> Tensor:
    """Give the logits with those of tokens that a row must not take at minus infinity."""
    limits = {index: allowed for index, row in enumerate(rows) if (allowed := row.allowed)}
    if not limits:
        return logits
    limited = logits.clone()
    for index, allowed in limits.items():
        limited[index] = float("-inf")
        limited[index, allowed] = logits[index, allowed]
    return limited


def sample(logits: Tensor, rows: Sequence[BatchRow]) -> list[int]:
    """Draw each row's next token at its temperature (0 takes the most probable token) within its `top_p`.

    One uniform number of 24 bits is looked up in the cumulative distribution over the vocabulary in its own
    order: tokens keep their place when another batch shape changes the logits by a rounding error.

    Args:
        logits: Shape (rows, vocabulary), float32.
        rows: The `random` of each row is advanced once, unless its temperature is 0.
    """
    logits = _limited(logits, rows)
    likeliest = logits.argmax(-1)
    if all(row.sampling.temperature == 0 for row in rows):
        return likeliest.tolist()

    def column(values: Sequence[float]) -> Tensor:
        return torch.tensor(values, dtype=torch.float32, device=logits.device)[:, None]

    temperature = column([row.sampling.temperature for row in rows])
    probabilities = torch.softmax(logits / torch.where(temperature == 0, 1.0, temperature), -1)
    if any(row.sampling.top_p < 1 for row in rows):
        ordered, order = probabilities.sort(-1, descending=True)
        before = ordered.cumsum(-1) - ordered
        nucleus = ordered.masked_fill(before >= column([row.sampling.top_p for row in rows]), 0)
        probabilities = torch.zeros_like(probabilities).scatter_(-1, order, nucleus)
    cumulative = probabilities.cumsum(-1)
    draws = column([row.random.getrandbits(24) / 2**24 if row.sampling.temperature else 0.0 for row in rows])
    drawn = (cumulative <= draws * cumulative[:, -1:]).sum(-1)
    return torch.where(temperature[:, 0] == 0, likeliest, drawn).tolist()


def _logprobs(logits: Tensor, rows: Sequence[BatchRow], tokens: Sequence[int]) -> list[TokenLogprobs | None]:
    found: list[TokenLogprobs | None] = [None] * len(rows)
    for index, (row, token) in enumerate(zip(rows, tokens, strict=True)):
        if row.sampling.top_logprobs is not None:
            of_row = torch.log_softmax(logits[index], -1)
            values, ids = of_row.topk(row.sampling.top_logprobs)
            top = tuple(zip(ids.tolist(), values.tolist(), strict=True))
            found[index] = TokenLogprobs(float(of_row[token]), top)
    return found


def _grouped(prompts: Sequence[tuple[int, ...]]) -> Iterator[list[tuple[int, ...]]]:
    """Cut prompts, sorted by length, into groups of at most `PREFILL_TOKENS` padded tokens."""
    group: list[tuple[int, ...]] = []
    for prompt in prompts:
        if group and (len(group) + 1) * len(prompt) > PREFILL_TOKENS:
            yield group
            group = []
        group.append(prompt)
    if group:
        yield group


def _left_padding_mask(lengths: Sequence[int], width: int, device: torch.device) -> Tensor:
    first = torch.tensor([width - length for length in lengths], device=device)
    return (torch.arange(width, device=device) >= first[:, None]).long()


class _Slots:
    """Keys and values of the running rows: in every layer's buffers, right-aligned at column `end`.

    A row that leaves is overwritten by the last row, a new row is written after the last one, and a new token is a
    column written in place. `DynamicCache` copies everything for each of these changes (60 % of a small model's time on
    a CPU).
    """

    def __init__(self) -> None:
        self.layers: list[_SlotLayer] = []
        self.lengths: list[int] = []
        """Number of tokens of each row."""
        self.start = 0
        self.end = 0

    @property
    def width(self) -> int:
        return self.end - self.start

    def add(self, prefilled: Sequence[_KeysValues], sources: Sequence[int], lengths: Sequence[int]) -> None:
        """Append the rows `sources` of each layer's left-padded `prefilled`; their numbers of tokens are `lengths`."""
        first, longest = len(self.lengths), max(lengths)
        if not self.layers:
            self.layers = [_SlotLayer(self, keys, values) for keys, values in prefilled]
        self.reserve(first + len(sources), left=max(0, longest - self.width))
        self.start = min(self.start, self.end - longest)
        rows, columns = slice(first, first + len(sources)), slice(self.end - longest, self.end)
        index = torch.tensor(sources, device=prefilled[0][0].device)
        for layer, (keys, values) in zip(self.layers, prefilled, strict=True):
            layer.key_buffer[rows, :, columns] = keys[index, :, -longest:]
            layer.value_buffer[rows, :, columns] = values[index, :, -longest:]
        self.lengths.extend(lengths)

    def remove(self, row: int) -> None:
        """Drop a row; the last row takes its place. When the last row is dropped, the memory is freed."""
        last = len(self.lengths) - 1
        if last == 0:
            self.layers, self.lengths, self.start, self.end = [], [], 0, 0
            return
        for layer in self.layers:
            layer.key_buffer[row, :, self.start : self.end] = layer.key_buffer[last, :, self.start : self.end]
            layer.value_buffer[row, :, self.start : self.end] = layer.value_buffer[last, :, self.start : self.end]
        self.lengths[row] = self.lengths[last]
        self.lengths.pop()
        self.start = self.end - max(self.lengths)

    def reserve(self, rows: int, *, left: int = 0, right: int = 0) -> None:
        """Make sure that the buffers hold `rows` rows and the given number of free columns on each side."""
        held, _, columns, _ = self.layers[0].key_buffer.shape
        if rows <= held and left <= self.start and self.end + right <= columns:
            return
        shape = (rows if rows <= held else max(rows, 2 * held), left + self.width + right + ROOM)
        for layer in self.layers:
            layer.key_buffer = self._moved(layer.key_buffer, *shape, left)
            layer.value_buffer = self._moved(layer.value_buffer, *shape, left)
        self.start, self.end = left, left + self.width

    def _moved(self, buffer: Tensor, rows: int, columns: int, left: int) -> Tensor:
        used = buffer[: len(self.lengths), :, self.start : self.end]
        moved = buffer.new_zeros(rows, buffer.shape[1], columns, buffer.shape[3])
        moved[: len(self.lengths), :, left : left + self.width] = used
        return moved

    def advance(self) -> None:
        """Count the column that a forward pass has just written."""
        self.end += 1
        self.lengths = [length + 1 for length in self.lengths]


class _SlotLayer(DynamicLayer):  # type: ignore[no-untyped-call]  # transformers is partly untyped
    """One layer of `_Slots`, in the form that the model's forward pass expects."""

    def __init__(self, slots: _Slots, keys: Tensor, values: Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.slots = slots
        self.key_buffer = keys[:0]
        self.value_buffer = values[:0]
        self.is_initialized = True

    def get_seq_length(self) -> int:
        return self.slots.width

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Write the new token's column and give all columns up to it."""
        rows, start, end = slice(len(self.slots.lengths)), self.slots.start, self.slots.end
        self.key_buffer[rows, :, end : end + 1] = key_states
        self.value_buffer[rows, :, end : end + 1] = value_states
        return self.key_buffer[rows, :, start : end + 1], self.value_buffer[rows, :, start : end + 1]
