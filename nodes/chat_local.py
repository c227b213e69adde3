"""`ChatLocal`: the LangChain side of a chat model that runs in this process.

A subclass names the engine that generates. Calls made at the same time, from any threads and event loops, go to that
one engine, which works on them together.
"""

import asyncio
import sys
import threading
import time
from abc import abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, ClassVar, Protocol

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LangSmithParams
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ChatMessage
from langchain_core.messages.ai import InputTokenDetails, UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import Field, PrivateAttr

from critique_graph.core.reasoning import Piece, ReasoningSplitter, open_block
from critique_graph.core.weights import named_by_weights
from critique_graph.engines.request import Completion, Request, Sampling
from critique_graph.miniature import SHIPPED, weights_path

_naming = threading.Lock()
_ROLES = {"system": "system", "human": "user", "ai": "assistant"}


def were_trained_here(weights: str) -> bool:
    """Tell whether weights are the miniature's, or those of a folder that `critique-graph train` left."""
    return _are_miniatures(weights) or (Path(weights) / "training").is_dir()


def _are_miniatures(weights: str) -> bool:
    return any(weights == str(weights_path(name)) for name in SHIPPED)


class LocalEngine(Protocol):
    """An engine that generates text; it takes requests from any thread."""

    def submit(self, request: Request) -> None:
        """Queue a request; its `future` gets the completion, or an exception."""


class ChatLocal(BaseChatModel):
    """A chat model that runs in this process. Besides the fields, a call takes some keyword arguments.

    `continue_final_message=True` continues the final AI message; the reply is the continuation alone. `logprobs=True`
    and `top_logprobs=N` give the log probabilities of every output token, in OpenAI's format, under
    `response_metadata["logprobs"]["content"]`. `stop_repetition=True` ends a text that only repeats itself;
    with `choices=("Correct", "Wrong")` the reply is one of these texts. The text between `<think>` and `</think>` is in
    `additional_kwargs["reasoning_content"]`, as in other LangChain integrations, and not in the content.
    """

    model: str
    """Folder of the model, or its name on the Hugging Face hub."""
    temperature: float = Field(default=1.0, ge=0)
    """Sampling temperature; 0 always takes the most likely token."""
    top_p: float = Field(default=1.0, gt=0, le=1)
    max_tokens: int | None = Field(default=None, gt=0)
    """Most output tokens of a reply; None: as many as the model's context has room for."""
    seed: int | None = None
    stop: list[str] | None = None
    """Texts that end a reply; they are not part of it."""
    template_arguments: dict[str, Any] = Field(default_factory=dict)
    """Arguments of the chat template, e.g. `{"enable_thinking": False}`."""
    timeout: float | None = Field(default=None, gt=0)
    """Most seconds that a call may take, its wait for a turn included; after them it raises `TimeoutError`."""

    continues_final_message: ClassVar[bool] = True
    stops_repetition: ClassVar[bool] = True
    takes_choices: ClassVar[bool] = True
    runs_in_process: ClassVar[bool] = True
    """A call may wait in the engine's queue for as long as that takes, and there is no server that can be out."""
    prefix: ClassVar[str]
    """What stands before the colon in the model's string."""
    engine_module: ClassVar[str]
    """Name of the engine's module, which has a function `shared_engine`."""
    identifying_fields: ClassVar[tuple[str, ...]] = (
        "model", "temperature", "top_p", "max_tokens", "seed", "stop", "template_arguments",
    )  # fmt: skip

    _recorded_name: str | None = PrivateAttr(default=None)

    @property
    def is_trained_here(self) -> bool:
        """True when the weights are the miniature's, or those of a folder that `critique-graph train` left."""
        return were_trained_here(self.model)

    @property
    def _is_miniature(self) -> bool:
        return _are_miniatures(self.model)

    @property
    def recorded_name(self) -> str:
        """Name of the model in traces: its string, with a hash of the weights in the place of a path."""
        with _naming:
            if self._recorded_name is None:
                self._recorded_name = self._named_by_weights()
        return self._recorded_name

    async def _find_recorded_name(self) -> None:
        """Hash the weights in a thread, not in the event loop, where the name is asked for after the call."""
        if self._recorded_name is None:
            await asyncio.to_thread(getattr, self, "recorded_name")

    def _named_by_weights(self) -> str:
        named = named_by_weights(self.prefix, self.model)
        return named.replace(f"{self.prefix}:", "miniature:", 1) if self._is_miniature else named

    @abstractmethod
    def _shared_engine(self) -> LocalEngine:
        """Give the engine for the model's settings; the first call may start it."""

    async def _import_engine(self) -> None:
        """Import the engine's module in a thread, not in the event loop: it takes seconds and reads files."""
        if not hasattr(sys.modules.get(self.engine_module), "shared_engine"):  # a half-imported module has none yet
            imported: Future[None] = Future()
            # A daemon thread, because a loop that ends waits for the threads of `asyncio.to_thread`.
            threading.Thread(target=_import, args=(self.engine_module, imported), daemon=True).start()
            await asyncio.wrap_future(imported)

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.identifying_fields}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop=stop or self.stop, **kwargs)
        return {**params, "ls_model_name": _shown_name(params.get("ls_model_name", self.model))}

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        request = self._request(messages, stop, **kwargs)
        self._shared_engine().submit(request)
        try:
            return self._result(request, request.future.result(self.timeout))
        finally:
            request.future.cancel()  # for a wait that ended early; it has no effect on a finished request

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        request = self._request(messages, stop, **kwargs)
        await self._import_engine()
        self._shared_engine().submit(request)
        async with asyncio.timeout(self.timeout):
            completion = await asyncio.wrap_future(request.future)
        await self._find_recorded_name()
        return self._result(request, completion)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        pieces: SimpleQueue[str | None] = SimpleQueue()
        request = self._request(messages, stop, on_text=pieces.put, **kwargs)
        request.future.add_done_callback(lambda _: pieces.put(None))
        deadline = None if self.timeout is None else time.monotonic() + self.timeout
        splitter = _splitter(request)
        self._shared_engine().submit(request)
        try:
            while (piece := _next_piece(pieces, deadline)) is not None:
                for part in splitter.feed(piece):
                    yield _chunk(part)
            completion = request.future.result()
            for part in splitter.end():
                yield _chunk(part)
            yield self._last_chunk(completion)
        finally:
            request.future.cancel()

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        pieces: asyncio.Queue[str | None] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def put(piece: str | None) -> None:
            with suppress(RuntimeError):  # the loop was closed: nobody listens any more
                loop.call_soon_threadsafe(pieces.put_nowait, piece)

        request = self._request(messages, stop, on_text=put, **kwargs)
        request.future.add_done_callback(lambda _: put(None))
        deadline = None if self.timeout is None else loop.time() + self.timeout
        splitter = _splitter(request)
        await self._import_engine()
        self._shared_engine().submit(request)
        try:
            while True:
                async with asyncio.timeout_at(deadline):
                    piece = await pieces.get()
                if piece is None:
                    break
                for part in splitter.feed(piece):
                    yield _chunk(part)
            completion = request.future.result()
            for part in splitter.end():
                yield _chunk(part)
            await self._find_recorded_name()
            yield self._last_chunk(completion)
        finally:
            request.future.cancel()

    def _request(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None,
        *,
        on_text: Callable[[str], None] | None = None,
        continue_final_message: bool = False,
        logprobs: bool = False,
        top_logprobs: int = 0,
        **settings: Any,
    ) -> Request:
        """Give the request for a call's arguments; `settings` override the fields of the same name."""
        if continue_final_message and not isinstance(messages[-1], AIMessage):
            raise ValueError(f"continue_final_message needs a final AI message, got {type(messages[-1]).__name__}.")
        defaults = {name: getattr(self, name) for name in ("temperature", "top_p", "max_tokens", "seed")}
        sampling = Sampling(
            **{**defaults, **settings},
            stop=tuple(self.stop or () if stop is None else stop),
            top_logprobs=top_logprobs if logprobs else None,
        )
        return Request(
            [self._as_dict(message) for message in messages],
            sampling,
            continue_final_message,
            self.template_arguments,
            on_text=on_text,
        )

    def _result(self, request: Request, completion: Completion) -> ChatResult:
        splitter = _splitter(request)
        parts = [*splitter.feed(completion.text), *splitter.end()]
        reasoning = "".join(part.text for part in parts if part.is_reasoning)
        message = AIMessage(
            "".join(part.text for part in parts if not part.is_reasoning),
            additional_kwargs={"reasoning_content": reasoning} if reasoning else {},
            usage_metadata=_usage(completion),
            response_metadata=self._metadata(completion),
        )
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _last_chunk(self, completion: Completion) -> ChatGenerationChunk:
        message = AIMessageChunk(
            content="",
            usage_metadata=_usage(completion),
            response_metadata=self._metadata(completion),
            chunk_position="last",
        )
        return ChatGenerationChunk(message=message)

    def _metadata(self, completion: Completion) -> dict[str, Any]:
        metadata: dict[str, Any] = {"finish_reason": completion.finish_reason, "model_name": _shown_name(self.model)}
        if completion.logprobs is not None:
            metadata["logprobs"] = {"content": list(completion.logprobs)}
        return metadata

    @classmethod
    def _as_dict(cls, message: BaseMessage) -> dict[str, str]:
        role = message.role if isinstance(message, ChatMessage) else _ROLES.get(message.type)
        if role is None:
            raise ValueError(f"{cls.__name__} takes system, human and AI messages, got {type(message).__name__}.")
        if isinstance(message.content, list):
            for block in message.content:
                if isinstance(block, dict) and block.get("type") not in ("text", "reasoning"):
                    raise ValueError(f"{cls.__name__} takes text, got a content block of type {block.get('type')!r}.")
        return {"role": role, "content": message.text}


def _import(module: str, imported: "Future[None]") -> None:
    imported.set_running_or_notify_cancel()  # from now on, a caller that gives up does not cancel it
    try:
        import_module(module)
    except BaseException as error:  # noqa: BLE001 - the caller gets it
        imported.set_exception(error)
    else:
        imported.set_result(None)


def _splitter(request: Request) -> ReasoningSplitter:
    """Give the splitter for a reply, which may continue reasoning that the final message began."""
    final = request.messages[-1]["content"] if request.continue_final_message else ""
    return ReasoningSplitter(closing=open_block(final))


def _chunk(part: Piece) -> ChatGenerationChunk:
    if part.is_reasoning:
        return ChatGenerationChunk(
            message=AIMessageChunk(content="", additional_kwargs={"reasoning_content": part.text})
        )
    return ChatGenerationChunk(message=AIMessageChunk(content=part.text))


def _usage(completion: Completion) -> UsageMetadata:
    return UsageMetadata(
        input_tokens=completion.input_tokens,
        output_tokens=completion.output_tokens,
        total_tokens=completion.input_tokens + completion.output_tokens,
        input_token_details=InputTokenDetails(cache_read=completion.cached_tokens),
    )


def _next_piece(pieces: "SimpleQueue[str | None]", deadline: float | None) -> str | None:
    """Wait for the next piece; after the deadline, one that is ready comes too late as well."""
    left = None if deadline is None else deadline - time.monotonic()
    if left is not None and left <= 0:
        raise TimeoutError
    try:
        return pieces.get(timeout=left)
    except Empty:
        raise TimeoutError from None


def _shown_name(model: str) -> str:
    """Name a model in metadata, which a server streams to its callers: a folder by its own name alone."""
    return Path(model).name if Path(model).is_absolute() else model
