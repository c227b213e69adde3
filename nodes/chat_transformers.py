"""`ChatTransformers`: a transformers model in this process as a LangChain chat model.

Calls made at the same time, from whatever threads and event loops, go to one engine
(`transformers_engine.py`) and are generated as one batch (`transformers_batch.py`). torch is imported with
the first call.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from importlib.util import find_spec
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Literal, Self

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LangSmithParams
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ChatMessage
from langchain_core.messages.ai import InputTokenDetails, UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import Field, PrivateAttr, model_validator

from critique_graph.errors import MissingDependencyError
from critique_graph.nodes.transformers_row import Completion, Request, Sampling

if TYPE_CHECKING:
    from critique_graph.nodes.transformers_engine import Engine

_ROLES = {"system": "system", "human": "user", "ai": "assistant"}


class ChatTransformers(BaseChatModel):
    """A local model: safetensors weights and a tokenizer with a chat template, on the CPU or an accelerator.

    Beside the fields, a call takes the keyword arguments `continue_final_message=True` (go on with the final
    AI message; the reply is the continuation alone), `logprobs=True` and `top_logprobs=N` (of every output
    token, under `response_metadata["logprobs"]["content"]` in OpenAI's form, before temperature and top_p).

    The same prompt and seed give the same text whatever else runs at the time, up to rounding: where two
    tokens are equally likely within float precision, another batch can pick the other one.

    Example:
        ```python
        model = ChatTransformers(model="path/to/model", temperature=0.7)
        replies = await asyncio.gather(*(model.ainvoke("What is 2 + 3?", seed=seed) for seed in range(64)))
        ```
    """

    model: str
    """A folder, or a name on the Hugging Face hub."""
    temperature: float = Field(default=1.0, ge=0)
    """0 always takes the likeliest token."""
    top_p: float = Field(default=1.0, gt=0, le=1)
    max_tokens: int | None = Field(default=None, gt=0)
    """Output tokens at most; None is what the model's context leaves."""
    seed: int | None = None
    stop: list[str] | None = None
    """Texts that end a reply; they are not part of it."""
    timeout: float | None = Field(default=None, gt=0)
    """Seconds a call may take, waiting for its turn included; then `TimeoutError`."""
    device: str = "auto"
    """A torch device; `auto` is the accelerator where there is one, else the CPU."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """`auto` is float32 on a CPU and the checkpoint's own elsewhere."""
    max_batch_size: int = Field(default=64, gt=0)
    """Calls that generate at the same time; more wait. Memory grows with it."""

    _engine: "Engine | None" = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _check_installed(self) -> Self:
        for package in ("torch", "transformers", "jinja2"):
            if find_spec(package) is None:
                raise MissingDependencyError(package, extra="local", purpose="ChatTransformers")
        return self

    @property
    def _llm_type(self) -> str:
        return "transformers"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        names = ("model", "temperature", "top_p", "max_tokens", "seed", "stop", "dtype")
        return {name: getattr(self, name) for name in names}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        return super()._get_ls_params(stop=stop or self.stop, **kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        request = self._request(messages, stop, **kwargs)
        self._submit(request)
        try:
            return self._result(request.future.result(self.timeout))
        finally:
            request.future.cancel()  # when the wait ended early; without effect on a finished request

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        request = self._request(messages, stop, **kwargs)
        self._submit(request)
        async with asyncio.timeout(self.timeout):
            return self._result(await asyncio.wrap_future(request.future))

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
        self._submit(request)
        try:
            while (piece := _next_piece(pieces, deadline)) is not None:
                yield ChatGenerationChunk(message=AIMessageChunk(content=piece))
            yield self._last_chunk(request.future.result())
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
        self._submit(request)
        try:
            while True:
                async with asyncio.timeout_at(deadline):
                    piece = await pieces.get()
                if piece is None:
                    break
                yield ChatGenerationChunk(message=AIMessageChunk(content=piece))
            yield self._last_chunk(request.future.result())
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
        """Give the request for a call's arguments; `settings` go before the fields of the same name."""
        if continue_final_message and not isinstance(messages[-1], AIMessage):
            raise ValueError(f"continue_final_message needs a final AI message, got {type(messages[-1]).__name__}.")
        defaults = {name: getattr(self, name) for name in ("temperature", "top_p", "max_tokens", "seed")}
        sampling = Sampling(
            **{**defaults, **settings},
            stop=tuple(self.stop or () if stop is None else stop),
            top_logprobs=top_logprobs if logprobs else None,
        )
        return Request([_as_dict(message) for message in messages], sampling, continue_final_message, on_text)

    def _submit(self, request: Request) -> None:
        from critique_graph.nodes.transformers_engine import shared_engine  # imports torch

        if self._engine is None:
            self._engine = shared_engine(
                self.model, device=self.device, dtype=self.dtype, max_batch_size=self.max_batch_size
            )
        self._engine.submit(request)

    def _result(self, completion: Completion) -> ChatResult:
        message = AIMessage(
            completion.text, usage_metadata=_usage(completion), response_metadata=self._metadata(completion)
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
        metadata: dict[str, Any] = {"finish_reason": completion.finish_reason, "model_name": self.model}
        if completion.logprobs is not None:
            metadata["logprobs"] = {"content": list(completion.logprobs)}
        return metadata


def _as_dict(message: BaseMessage) -> dict[str, str]:
    role = message.role if isinstance(message, ChatMessage) else _ROLES.get(message.type)
    if role is None:
        raise ValueError(f"ChatTransformers takes system, human and AI messages, got {type(message).__name__}.")
    if isinstance(message.content, list):
        for block in message.content:
            if isinstance(block, dict) and block.get("type") not in ("text", "reasoning"):
                raise ValueError(f"ChatTransformers takes text, got a content block of type {block.get('type')!r}.")
    return {"role": role, "content": message.text}


def _usage(completion: Completion) -> UsageMetadata:
    return UsageMetadata(
        input_tokens=completion.input_tokens,
        output_tokens=completion.output_tokens,
        total_tokens=completion.input_tokens + completion.output_tokens,
        input_token_details=InputTokenDetails(cache_read=completion.cached_tokens),
    )


def _next_piece(pieces: "SimpleQueue[str | None]", deadline: float | None) -> str | None:
    try:
        return pieces.get(timeout=None if deadline is None else max(0.0, deadline - time.monotonic()))
    except Empty:
        raise TimeoutError from None
