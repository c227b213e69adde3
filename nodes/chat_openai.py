"""`ChatOpenAIServer`: an OpenAI-compatible server as a LangChain chat model that rejects bad replies.

It differs from `ChatOpenAI`: replies are validated, a stream that breaks off is an error, reasoning is kept, a final
message can be continued, nothing is retried (`critique_graph.calls.caller` does that), no redirect is followed, and one
object serves any number of event loops.
"""

import ipaddress
import os
import ssl
from collections.abc import AsyncIterator, Iterator
from functools import cache
from typing import Any, ClassVar, Self
from urllib.parse import urlsplit
from urllib.request import getproxies

import certifi
import openai
from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_openai import ChatOpenAI
from pydantic import model_validator

from critique_graph.calls.replies import MAX_REPLY_CHARS
from critique_graph.core.addresses import addresses_of, read_address
from critique_graph.core.errors import ModelCallError
from critique_graph.core.schema import Failure
from critique_graph.core.weights import named_by_weights
from critique_graph.nodes.bounded_bodies import HTTP, bound, bound_async
from critique_graph.nodes.chat_local import were_trained_here
from critique_graph.nodes.json_completions import JSONCompletions
from critique_graph.nodes.openai_payloads import checked_chunk, checked_payload, invalid, is_cut, reasoning_of
from critique_graph.nodes.own_connections import OwnConnections
from critique_graph.nodes.pooled_requests import sender, sender_async

_PROVIDER = "openai-compatible"
"""Not "openai": for that name, LangChain leaves the reasoning out of `content_blocks`."""


class ChatOpenAIServer(ChatOpenAI):
    """A model behind `/v1/chat/completions`: `vllm serve`, a router, a hosted API.

    Besides the arguments of `ChatOpenAI`, a call takes `continue_final_message=True`, which continues the final AI
    message where the server can do so (vLLM, SGLang); the reply is the continuation alone. Reasoning is in
    `additional_kwargs["reasoning_content"]`, as in other LangChain integrations. The API key comes from
    `OPENAI_API_KEY`; a server in the local network needs none.

    Example:
        ```python
        model = ChatOpenAIServer(model="Qwen/Qwen3-4B", base_url="http://localhost:8000/v1")
        reply = await model.ainvoke("What is 2 + 3?", seed=7)
        ```
    """

    continues_final_message: ClassVar[bool] = True
    """This class asks a server to continue a message; whether the server does so has to be tried."""
    takes_response_format: ClassVar[bool] = True
    """A call takes a JSON schema in `extra_body`; whether the server keeps to it has to be tried."""
    must_be_probed: ClassVar[bool] = True

    server_pool: str | None = None
    """In the place of `base_url`: addresses of several servers, or a file of them, `@FILE`; each call goes to one."""
    weights: str | None = None
    """Folder or name of the weights that the server has, where they are known."""
    max_retries: int | None = 0
    stream_usage: bool | None = True
    use_responses_api: bool | None = False

    # Each call opens a connection and closes it: a connection kept for the next call would belong to an event loop that
    # may be closed by then, or the server could close it at the moment it is used.
    @model_validator(mode="before")
    @classmethod
    def _fill_in_clients_and_key(cls, values: dict[str, Any]) -> dict[str, Any]:
        base_url = values.get("base_url") or values.get("openai_api_base")
        has_key = values.get("api_key") or values.get("openai_api_key") or os.environ.get("OPENAI_API_KEY")
        options: dict[str, Any] = {"follow_redirects": False, "verify": _tls_context()}
        hooks: dict[str, list[Any]] = {"response": [bound]}
        hooks_async: dict[str, list[Any]] = {"response": [bound_async]}
        urls = [base_url] if base_url else []
        if (pool := values.get("server_pool")) is not None:
            urls = [read_address(address).url for address in addresses_of(pool)]
            base_url = urls[0]
            hooks["request"], hooks_async["request"] = [sender(base_url, pool)], [sender_async(base_url, pool)]
            values = {**values, "base_url": base_url}
        return {
            "http_client": openai.DefaultHttpxClient(**options, event_hooks=hooks),
            "http_async_client": openai.DefaultAsyncHttpxClient(**options, **_any_number(), event_hooks=hooks_async),
            "default_headers": {"Connection": "close", "Accept-Encoding": "identity"},
            **values,
            **({"api_key": "not-needed"} if urls and not has_key and all(map(is_local, urls)) else {}),
        }

    @model_validator(mode="after")
    def _leave_types_out(self) -> Self:
        if self.client is not None:
            self.client = JSONCompletions(self.root_client)
        self.async_client = JSONCompletions(self.root_async_client)
        return self

    @property
    def is_trained_here(self) -> bool:
        """True when the weights are known, and the miniature's or those that `critique-graph train` left."""
        return self.weights is not None and were_trained_here(self.weights)

    @property
    def recorded_name(self) -> str | None:
        """Name of the model in traces, with a hash of the weights in the place of a path, where they are known."""
        return None if self.weights is None else named_by_weights("openai", self.weights)

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """Give False: LangChain's loader knows only its own classes."""
        return False

    def _get_request_payload(
        self,
        input_: LanguageModelInput,
        *,
        stop: list[str] | None = None,
        continue_final_message: bool = False,
        **kwargs: Any,
    ) -> dict[str, Any]:
        if self.extra_body and kwargs.get("extra_body"):
            kwargs["extra_body"] = {**self.extra_body, **kwargs["extra_body"]}
        payload: dict[str, Any] = super()._get_request_payload(input_, stop=stop, **kwargs)
        if self.openai_api_base and "max_completion_tokens" in payload:
            payload["max_tokens"] = payload.pop("max_completion_tokens")  # the name that every server knows
        if continue_final_message:
            final = self._convert_input(input_).to_messages()[-1]
            if not isinstance(final, AIMessage):
                raise ValueError(f"continue_final_message needs a final AI message, got {type(final).__name__}.")
            continuing = {"continue_final_message": True, "add_generation_prompt": False}
            payload["extra_body"] = {**payload.get("extra_body", {}), **continuing}
        return payload

    def _create_chat_result(
        self, response: dict[str, Any] | openai.BaseModel, generation_info: dict[str, Any] | None = None
    ) -> ChatResult:
        payload = response.model_dump(warnings=False) if isinstance(response, openai.BaseModel) else response
        checked = checked_payload(payload)
        result = super()._create_chat_result(response if checked == payload else checked, generation_info)
        message = checked["choices"][0]["message"]
        result.llm_output = {**(result.llm_output or {}), "model_provider": _PROVIDER}
        if reasoning := reasoning_of(message):
            result.generations[0].message.additional_kwargs["reasoning_content"] = reasoning
        return result

    def _convert_chunk_to_generation_chunk(
        self, chunk: dict[str, Any], default_chunk_class: type, base_generation_info: dict[str, Any] | None
    ) -> ChatGenerationChunk | None:
        chunk = checked_chunk(chunk)
        converted = super()._convert_chunk_to_generation_chunk(chunk, default_chunk_class, base_generation_info)
        if converted is not None and (choices := chunk.get("choices")):
            converted.message.response_metadata["model_provider"] = _PROVIDER
            if reasoning := reasoning_of(choices[0].get("delta") or {}):
                converted.message.additional_kwargs["reasoning_content"] = reasoning
        return converted

    def _stream(self, *args: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        check = _StreamCheck()
        for chunk in super()._stream(*args, **kwargs):
            check.see(chunk)
            yield chunk
        check.end()

    async def _astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[ChatGenerationChunk]:
        check = _StreamCheck()
        async for chunk in super()._astream(*args, **kwargs):
            check.see(chunk)
            yield chunk
        check.end()


class _StreamCheck:
    """Raises an error in a stream that does not end, or at the end of one that was cut off or had no content."""

    def __init__(self) -> None:
        self._is_finished = False
        self._has_content = False
        self._size = 0

    def see(self, chunk: ChatGenerationChunk) -> None:
        message = chunk.message
        info = chunk.generation_info or {}
        self._is_finished |= bool(info.get("finish_reason"))
        self._has_content |= bool(message.content or message.additional_kwargs) or (
            isinstance(message, AIMessageChunk) and bool(message.tool_call_chunks)
        )
        self._has_content |= is_cut(info.get("finish_reason"))
        self._size += len(message.text) + len(message.additional_kwargs.get("reasoning_content") or "")
        if self._size > 2 * MAX_REPLY_CHARS:
            raise invalid(f"the stream is longer than {2 * MAX_REPLY_CHARS:,} characters", can_retry=False)

    def end(self) -> None:
        if not self._is_finished:
            raise ModelCallError(Failure(kind="connection", message="the stream ended before the reply did"))
        if not self._has_content:
            raise invalid("the message is empty")


def _any_number() -> dict[str, Any]:
    """Give the settings of a client with any number of connections; proxies are known to the library's pool alone."""
    if getproxies():
        return {"limits": HTTP.Limits(max_connections=None)}
    return {"transport": OwnConnections(_tls_context())}


@cache
def _tls_context() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=os.environ.get("SSL_CERT_FILE") or certifi.where())


def is_local(base_url: str) -> bool:
    """Tell whether a URL's host is in the local network or this machine: a private address or a local name."""
    host = urlsplit(base_url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return "." not in host or host.endswith((".localhost", ".local", ".internal"))
