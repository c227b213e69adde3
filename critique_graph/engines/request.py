"""One request to a local model, from messages to text: a `ChatLocal` passes it to its engine."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

SHORTEST_PATTERN, LONGEST_PATTERN, REPEATED = 8, 64, 4
"""A text repeats itself when its last tokens are so many copies of a pattern of so many tokens."""


class Sampling(BaseModel):
    """How one request is sampled."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    temperature: float = Field(ge=0)
    top_p: float = Field(gt=0, le=1)
    max_tokens: int | None = Field(gt=0)
    """Maximum number of tokens; None generates until the model ends its turn or its context is full."""
    seed: int | None
    stop: tuple[str, ...]
    top_logprobs: int | None = Field(ge=0)
    """How many alternatives to report beside each token's log probability; None reports no log probabilities."""
    stop_repetition: bool = False
    """End a text that only repeats itself, with the finish reason `repetition`."""
    choices: tuple[str, ...] = ()
    """Texts of which the reply must be one; none: it is free."""
    json_schema: dict[str, Any] | None = None
    """Schema of the JSON that the text must be; only vLLM's engine keeps to one."""


@dataclass(frozen=True, slots=True)
class Completion:
    """The outcome of a request."""

    text: str
    finish_reason: str
    input_tokens: int
    output_tokens: int
    """Number of sampled tokens, including the one that ends the turn."""
    cached_tokens: int
    logprobs: tuple[dict[str, Any], ...] | None
    """One entry per output token, as in `logprobs.content` of OpenAI's chat completions."""


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """A conversation to continue. Cancelling `future` frees its row at the next token."""

    messages: Sequence[dict[str, str]]
    sampling: Sampling
    continue_final_message: bool = False
    template_arguments: dict[str, Any] = field(default_factory=dict)
    """Arguments of the chat template, e.g. `{"enable_thinking": False}`."""
    adapter: str | None = None
    """Folder of a LoRA adapter."""
    on_text: Callable[[str], None] | None = None
    """Called in the engine's thread with each new piece of text, before `future` is done."""
    future: "Future[Completion]" = field(default_factory=Future)

    def settle(self, outcome: Completion | Exception) -> None:
        """Set the future's outcome, unless it has one or its caller has cancelled it."""
        if self.future.done() or not self.future.set_running_or_notify_cancel():
            return
        if isinstance(outcome, Completion):
            self.future.set_result(outcome)
        else:
            self.future.set_exception(outcome)
