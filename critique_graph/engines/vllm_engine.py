"""A vLLM engine in its own thread: `ChatVLLM` passes its requests to it.

The thread runs the event loop of vLLM's asynchronous engine; requests come from any thread and loop. Written for vLLM
0.32, and limited to what `vllm`, `vllm.sampling_params`, `vllm.lora.request` and `vllm.platforms` export,
and on the CPU `vllm.utils.cpu_resource_utils`.
"""

import asyncio
import atexit
import json
import signal
import threading
import weakref
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from jinja2 import TemplateError

from critique_graph.core.errors import InputError, ModelCallError, first_line
from critique_graph.core.reasoning import opened_at_end
from critique_graph.core.reasons import FailureKind
from critique_graph.core.schema import Failure
from critique_graph.engines.plain_template import ends_at_next_turn, give_template
from critique_graph.engines.pretrained import check_adapter
from critique_graph.engines.request import Completion, Request
from critique_graph.engines.torch_companions import CHILD, hidden_from_children, hide_unloadable
from critique_graph.engines.vllm_memory import divided, memory_settings
from critique_graph.engines.vllm_reply import VLLMReply, sampling_parameters
from critique_graph.engines.vllm_start import (
    check_files,
    free_memory,
    inspect_models_by,
    prepare_environment,
    start_failure,
    stderr_to,
)

if TYPE_CHECKING:
    from vllm import AsyncLLMEngine
    from vllm.lora.request import LoRARequest

STOP_SECONDS = 20.0
"""How long an engine that is being stopped may take to end its processes."""

_TAIL_TOKENS = 12
"""Tokens at a prompt's end that show whether its template opened a block of reasoning."""


@dataclass(frozen=True)
class EngineSettings:
    """Settings that distinguish one engine from another."""

    model: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of `vllm.AsyncEngineArgs`, e.g. `{"gpu_memory_utilization": 0.45}`."""

    @property
    def key(self) -> str:
        """A key that is equal for equal settings."""
        return json.dumps([self.model, dict(self.arguments)], sort_keys=True, default=str)


class VLLMEngine:
    """One engine and its thread. It starts with the first request and ends with the process, or with `close`."""

    def __init__(self, settings: EngineSettings) -> None:
        self._core = _Core(settings)
        self._finalizer = weakref.finalize(self, self._core.stop)  # runs at exit too

    @property
    def is_usable(self) -> bool:
        """False after `close`, a failed start, or the death of vLLM's processes."""
        return self._finalizer.alive and not self._core.is_broken

    def submit(self, request: Request) -> None:
        """Queue a request; its `future` gets the completion, an `InputError` or a `ModelCallError`."""
        self._core.submit(request)

    def close(self) -> None:
        """End the engine's processes and free their memory; requests that are running fail."""
        self._finalizer()


_engines: "WeakValueDictionary[str, VLLMEngine]" = WeakValueDictionary()
_engines_lock = threading.Lock()


def shared_engine(settings: EngineSettings) -> VLLMEngine:
    """Give the engine for these settings; the process has only one for each."""
    with _engines_lock:
        engine = _engines.get(settings.key)
        if engine is None or not engine.is_usable:
            engine = _engines[settings.key] = VLLMEngine(settings)
        return engine


def share_device(engines: Iterable[VLLMEngine]) -> None:
    """Divide the device among the engines of a run; one that runs already keeps what it has."""
    cores = [engine._core for engine in engines]
    shares = divided([(core.settings.model, core.settings.arguments) for core in cores])
    for core, share in zip(cores, shares, strict=True):
        core.share = share


class _Core:
    """The part of an engine that its thread uses. It has no reference to its `VLLMEngine`, so that can be collected."""

    def __init__(self, settings: EngineSettings) -> None:
        self.settings = settings
        self.share = 1.0
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._is_stopped = False
        self._has_failed = False
        self._llm: AsyncLLMEngine | None = None
        self._tokenizer: Any = None
        self._is_base = False
        self._starting: asyncio.Future[None] | None = None
        self._numbers = count()
        self._tasks: set[asyncio.Task[None]] = set()
        self._adapters: dict[str, LoRARequest] = {}

    @property
    def is_broken(self) -> bool:
        return self._has_failed or (self._llm is not None and self._llm.errored)

    def submit(self, request: Request) -> None:
        with self._lock:
            if self._is_stopped:
                request.settle(self._failure("server", "the engine was closed"))
                return
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=self._work, args=(self._loop,), name=f"vLLM {self.settings.model}", daemon=True
                )
                self._thread.start()
            self._loop.call_soon_threadsafe(self._begin, request)

    def stop(self) -> None:
        with self._lock:
            self._is_stopped = True
            loop, thread = self._loop, self._thread
        atexit.unregister(self.stop)
        if loop is not None and thread is not None and thread.is_alive():
            loop.call_soon_threadsafe(loop.stop)
            thread.join(STOP_SECONDS)

    def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        # Ctrl-C in the terminal also reaches vLLM's processes, which inherit this mask: this process tells them to end.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
        finally:
            _cancel_all(self._tasks, loop)
            llm, self._llm = self._llm, None
            if llm is not None:
                llm.shutdown()
            del llm  # here, before the interpreter begins to shut down
            _cancel_all(asyncio.all_tasks(loop), loop)  # vLLM's own
            loop.close()

    def _begin(self, request: Request) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        request.future.add_done_callback(lambda future: self._cancel(future, task))

    def _cancel(self, future: "Future[Completion]", task: "asyncio.Task[None]") -> None:
        """Free the slot of a request whose caller no longer waits."""
        if future.cancelled() and self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(task.cancel)

    async def _serve(self, request: Request) -> None:
        try:
            if self._llm is None:
                await self._started()
            request.settle(await self._generate(request))
        except asyncio.CancelledError:
            request.settle(self._failure("server", "the engine was closed"))
            raise
        except Exception as error:  # noqa: BLE001 - whatever vLLM raises ends the request, not the thread
            request.settle(self._as_failure(error))

    async def _started(self) -> None:
        """Start vLLM once; if the start fails, every request that waits for it gets the error."""
        if self._starting is None:
            self._starting = asyncio.get_running_loop().create_future()
            self._starting.add_done_callback(
                lambda future: future.exception()
            )  # marks the error as retrieved, even if nobody waits
            try:
                self._start()
            except InputError as error:
                self._has_failed = True
                self._starting.set_exception(error)
            else:
                self._starting.set_result(None)
        await asyncio.shield(self._starting)

    def _start(self) -> None:
        """Block the thread's loop: nothing else runs in it before there is an engine."""
        check_files(self.settings.model)
        log = prepare_environment()
        hidden = hide_unloadable()
        children = hidden_from_children() if hidden else nullcontext()
        try:
            from vllm import AsyncEngineArgs, AsyncLLMEngine
            from vllm.platforms import current_platform

            defaults: dict[str, Any] = {
                "load_format": "safetensors",
                "trust_remote_code": False,
                "disable_log_stats": True,
                # Without it, a small model that has to write JSON may write white space alone.
                "structured_outputs_config": {"backend": "xgrammar", "disable_any_whitespace": True},
            }
            free = None
            if current_platform.is_cpu():
                defaults["dtype"] = "float32"  # half precision is several times slower there, mostly
                free = free_memory()
            defaults |= memory_settings(self.settings.arguments, self.share, free=free)
            arguments = AsyncEngineArgs(model=self.settings.model, **{**defaults, **self.settings.arguments})
            if hidden:
                inspect_models_by(CHILD)
            with stderr_to(log), children:
                self._llm = AsyncLLMEngine.from_engine_args(arguments)
            self._tokenizer = self._llm.get_tokenizer()
            if hasattr(self._tokenizer, "chat_template"):  # those that vLLM makes itself have a template in their code
                self._is_base = give_template(self._tokenizer, self.settings.model)
            atexit.register(self.stop)  # before multiprocessing's own, which waits for vLLM's processes
        except Exception as error:  # every part of vLLM fails in its own way
            raise InputError(start_failure(self.settings.model, error, log)) from error

    async def _generate(self, request: Request) -> Completion:
        assert self._llm is not None
        prompt, opening = self._prompt(request)
        if self._is_base:
            request = ends_at_next_turn(request)
        if opening and request.on_text is not None:
            request.on_text(opening)
        reply = VLLMReply(opening, self._tokenizer, rivals=request.sampling.top_logprobs)
        outputs = self._llm.generate(
            {"prompt_token_ids": prompt},
            sampling_parameters(request, room=self._context - len(prompt)),
            f"critique-graph-{next(self._numbers)}",
            lora_request=self._adapter(request.adapter),
        )
        async for output in outputs:
            text = reply.take(output)
            if text and request.on_text is not None:
                request.on_text(text)
        return reply.completion()

    def _prompt(self, request: Request) -> tuple[list[int], str]:
        """Give the prompt's tokens, and the text its template wrote that belongs to the reply."""
        try:
            tokens: list[int] = self._tokenizer.apply_chat_template(
                list(request.messages),
                add_generation_prompt=not request.continue_final_message,
                continue_final_message=request.continue_final_message,
                return_dict=False,
                **request.template_arguments,
            )
        except (TemplateError, ValueError) as error:
            raise self._failure("rejected", f"the chat template refused the messages: {first_line(error)}") from error
        if len(tokens) >= self._context:
            raise self._failure("rejected", f"the prompt has {len(tokens)} tokens, the model's context {self._context}")
        end = self._tokenizer.decode(tokens[-_TAIL_TOKENS:])
        return tokens, "" if request.continue_final_message else opened_at_end(end)

    @property
    def _context(self) -> int:
        assert self._llm is not None
        context: int = self._llm.model_config.max_model_len
        return context

    def _adapter(self, path: str | None) -> "LoRARequest | None":
        if path is None:
            return None
        if path not in self._adapters:
            from vllm.lora.request import LoRARequest

            if not (Path(path) / "adapter_config.json").is_file():
                raise InputError(f"{path} holds no LoRA adapter (no adapter_config.json).")
            check_adapter(Path(path))
            number = len(self._adapters) + 1
            self._adapters[path] = LoRARequest(lora_name=path, lora_int_id=number, lora_path=path)
        return self._adapters[path]

    def _as_failure(self, error: Exception) -> Exception:
        if isinstance(error, InputError | ModelCallError):
            return error
        if self._llm is None or self._llm.errored:
            failure = self._failure("server", "the engine has died; start the program again", can_retry=False)
        else:
            is_refused = type(error).__name__ == "VLLMValidationError"
            failure = self._failure("rejected" if is_refused else "server", first_line(error))
        failure.__cause__ = error
        return failure

    def _failure(self, kind: FailureKind, message: str, *, can_retry: bool = True) -> ModelCallError:
        return ModelCallError(Failure(kind=kind, message=f"vllm:{self.settings.model}: {message}"), can_retry=can_retry)


def _cancel_all(tasks: Iterable["asyncio.Task[Any]"], loop: asyncio.AbstractEventLoop) -> None:
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
