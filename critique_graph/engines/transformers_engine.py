"""One transformers model and the thread that generates with it: the engine of `ChatTransformers`.

Requests come from any thread or event loop and wait in one queue; requests that wait together run together. The thread
starts with the first request and ends when nothing is left to do; the weights are freed when no chat model refers to
the engine any more.
"""

import atexit
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from weakref import WeakValueDictionary

import torch
from jinja2 import TemplateError

from critique_graph.core.errors import InputError, ModelCallError, first_line
from critique_graph.core.reasons import FailureKind
from critique_graph.core.schema import Failure
from critique_graph.engines.accelerators import find_accelerator
from critique_graph.engines.plain_template import ends_at_next_turn, give_template
from critique_graph.engines.pretrained import load_tokenizer, load_weights
from critique_graph.engines.request import Request
from critique_graph.engines.torch_companions import hide_unloadable
from critique_graph.engines.transformers_batch import Batch
from critique_graph.engines.transformers_row import BatchRow

hide_unloadable()  # before transformers is imported, which would not load
from transformers import AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerBase  # noqa: E402
from transformers.utils import logging as transformers_logging  # noqa: E402

IDLE_SECONDS = 2.0
"""How long the thread waits for more work before it ends; the next request starts another."""

EXIT_SECONDS = 10.0
"""How long the end of the process waits for the thread; a thread killed inside torch crashes the process."""

_ATTENTION_TYPES = {"full_attention", "sliding_attention", "chunked_attention"}


class TransformersEngine:
    """A model, its tokenizer and the batch of requests it works on."""

    def __init__(self, path: str, *, device: str, dtype: str, max_batch_size: int) -> None:
        self.path = path
        self.device = device
        self.dtype = dtype
        self.max_batch_size = max_batch_size
        self._waiting: deque[Request] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._loaded: _LoadedModel | None = None
        self._is_ending = False

    def submit(self, request: Request) -> None:
        """Queue a request; its `future` gets the completion, or a `ModelCallError`."""
        with self._changed:
            self._waiting.append(request)
            self._changed.notify()
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name=f"engine {self.path}", daemon=True)
                self._thread.start()

    def end(self) -> None:
        """End the thread before its next step, whatever it is doing; for the end of the process."""
        with self._changed:
            self._is_ending, thread = True, self._thread
            self._changed.notify()
        if thread is not None:
            thread.join(EXIT_SECONDS)

    @torch.inference_mode()
    def _work(self) -> None:
        batch: Batch | None = None
        while (requests := self._next(running=len(batch.rows) if batch else 0)) is not None:
            try:
                loaded = self._load()
                batch = batch or Batch(loaded.model)
                batch.admit([row for request in requests if (row := loaded.start(request))])
                batch.step()
            except Exception as error:  # noqa: BLE001 - a model's error ends its requests, not the thread
                running = [row.request for row in batch.rows] if batch else []
                for request in (*requests, *running):
                    request.settle(_as_failure(error))
                batch = None

    def _load(self) -> "_LoadedModel":
        if self._loaded is None:
            try:
                with _loading:
                    self._loaded = _LoadedModel(self.path, self.device, self.dtype)
            except InputError:
                raise
            except Exception as error:  # bad files fail in many libraries, each in its own way
                raise _failure("setup", f"cannot load {self.path}: {first_line(error)}") from error
        return self._loaded

    def _next(self, *, running: int) -> list[Request] | None:
        """Take the requests that can join `running` rows; None, and the end of the thread, after a long idle time."""
        with self._changed:
            has_work = running or self._changed.wait_for(lambda: self._waiting or self._is_ending, IDLE_SECONDS)
            if not has_work or self._is_ending:
                self._thread = None
                return None
            count = min(len(self._waiting), self.max_batch_size - running)
            return [self._waiting.popleft() for _ in range(count)]


_engines: "WeakValueDictionary[tuple[str, str, str, int], TransformersEngine]" = WeakValueDictionary()
_engines_lock = threading.Lock()
_loading = threading.Lock()
"""Held while a model is loaded: if transformers loads two at once, one can get random weights or none."""


def shared_engine(path: str, *, device: str, dtype: str, max_batch_size: int) -> TransformersEngine:
    """Give the engine for these settings; the process has only one for each."""
    key = (path, device, dtype, max_batch_size)
    with _engines_lock:
        if (engine := _engines.get(key)) is None:
            engine = _engines[key] = TransformersEngine(path, device=device, dtype=dtype, max_batch_size=max_batch_size)
        return engine


@atexit.register
def _end_threads() -> None:
    for engine in list(_engines.values()):
        engine.end()


class _LoadedModel:
    """The weights and the tokenizer of a model; it turns requests into rows."""

    def __init__(self, path: str, device: str, dtype: str) -> None:
        accelerator = find_accelerator(device)
        self.tokenizer: PreTrainedTokenizerBase = load_tokenizer(path)
        self._is_base = give_template(self.tokenizer, path)
        if not self.tokenizer.is_fast:
            raise ValueError("its tokenizer has no tokenizer.json")
        with without_progress_bar():
            model = load_weights(AutoModelForCausalLM, path, dtype=accelerator.dtype if dtype == "auto" else dtype)
        config = model.config.get_text_config()
        if others := set(getattr(config, "layer_types", None) or ()) - _ATTENTION_TYPES:
            raise ValueError(
                f"it has {', '.join(sorted(others))} layers, which cannot be batched here; "
                "serve it with vLLM and use openai:NAME with its base_url"
            )
        self.model: PreTrainedModel = model.to(accelerator.device)  # type: ignore[arg-type]  # a decorator hides `self`
        self.context: int = getattr(config, "max_position_embeddings", self.tokenizer.model_max_length)
        ends = model.generation_config.eos_token_id
        ends = ends if isinstance(ends, list) else [ends]
        self.end_tokens = frozenset([*ends, self.tokenizer.eos_token_id])

    def start(self, request: Request) -> BatchRow | None:
        """Give the row that generates for `request`; None when it was cancelled or cannot run."""
        if request.future.cancelled():
            return None
        try:
            prompt = self._prompt(request)
        except ModelCallError as error:
            request.settle(error)
            return None
        room = self.context - len(prompt)
        if self._is_base:
            request = ends_at_next_turn(request)
        return BatchRow(
            request,
            prompt,
            limit=min(request.sampling.max_tokens or room, room),
            end_tokens=self.end_tokens,
            tokenizer=self.tokenizer.backend_tokenizer,
        )

    def _prompt(self, request: Request) -> tuple[int, ...]:
        try:
            prompt = self.tokenizer.apply_chat_template(
                list(request.messages),
                add_generation_prompt=not request.continue_final_message,
                continue_final_message=request.continue_final_message,
                return_dict=False,
                **request.template_arguments,
            )
        except (TemplateError, ValueError) as error:
            raise _failure("rejected", f"the chat template refused the messages: {first_line(error)}") from error
        if len(prompt) >= self.context:
            raise _failure("rejected", f"the prompt has {len(prompt)} tokens, the model's context {self.context}")
        return tuple(prompt)


@contextmanager
def without_progress_bar() -> Iterator[None]:
    """Keep transformers from drawing over the output of whatever program this runs in."""
    was_enabled = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        if was_enabled:
            transformers_logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def _failure(kind: FailureKind, message: str) -> ModelCallError:
    return ModelCallError(Failure(kind=kind, message=message))


def _as_failure(error: Exception) -> Exception:
    if isinstance(error, InputError | ModelCallError):
        return error
    failure = _failure("server", f"{type(error).__name__}: {first_line(error)}")
    failure.__cause__ = error
    return failure
