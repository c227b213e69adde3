"""`ChatOpenAIServer`: an OpenAI-compatible server as a LangChain chat model that rejects bad replies.

It differs from `ChatOpenAI`: replies are validated, a stream that breaks off is an error, reasoning is kept, a final
message can be continued, nothing is retried (`critique_graph.calls.caller` does that), no redirect is followed, and one
object serves any number of event loops.
"""

import ipaddress
import os
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from functools import cache
from typing import Any, ClassVar
from urllib.parse import urlsplit

import certifi
import openai
from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_openai import ChatOpenAI
from pydantic import model_validator

from critique_graph.calls.faults import is_web_page, kind_of_status
from critique_graph.core.errors import ModelCallError
from critique_graph.core.schema import Failure, FailureKind

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
    """This class can continue a message; a server that cannot gives an error when it is asked to."""

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
        return {
            "http_client": openai.DefaultHttpxClient(follow_redirects=False, verify=_tls_context()),
            "http_async_client": openai.DefaultAsyncHttpxClient(follow_redirects=False, verify=_tls_context()),
            "default_headers": {"Connection": "close"},
            **values,
            **({"api_key": "not-needed"} if base_url and not has_key and is_local(base_url) else {}),
        }

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
        message = _checked_message(response)
        result = super()._create_chat_result(response, generation_info)
        result.llm_output = {**(result.llm_output or {}), "model_provider": _PROVIDER}
        if reasoning := _reasoning(message):
            result.generations[0].message.additional_kwargs["reasoning_content"] = reasoning
        return result

    def _convert_chunk_to_generation_chunk(
        self, chunk: dict[str, Any], default_chunk_class: type, base_generation_info: dict[str, Any] | None
    ) -> ChatGenerationChunk | None:
        converted = super()._convert_chunk_to_generation_chunk(chunk, default_chunk_class, base_generation_info)
        if converted is not None and (choices := chunk.get("choices")):
            converted.message.response_metadata["model_provider"] = _PROVIDER
            if reasoning := _reasoning(choices[0].get("delta") or {}):
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
    """Raises an error at the end of a stream that was cut off or had no content."""

    def __init__(self) -> None:
        self._is_finished = False
        self._has_content = False

    def see(self, chunk: ChatGenerationChunk) -> None:
        message = chunk.message
        info = chunk.generation_info or {}
        self._is_finished |= bool(info.get("finish_reason"))
        self._has_content |= bool(message.content or message.additional_kwargs) or (
            isinstance(message, AIMessageChunk) and bool(message.tool_call_chunks)
        )
        self._has_content |= info.get("finish_reason") == "length"

    def end(self) -> None:
        if not self._is_finished:
            raise ModelCallError(Failure(kind="connection", message="the stream ended before the reply did"))
        if not self._has_content:
            raise _invalid("the message is empty")


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


def _checked_message(response: object) -> Mapping[str, Any]:
    """Give the message of a response's first choice; raise an error when it is missing or empty."""
    payload = response.model_dump(warnings=False) if isinstance(response, openai.BaseModel) else response
    if isinstance(payload, str) and is_web_page(payload):
        raise _failed("setup", f"a web page with status 200, not an API's reply: {payload!r}")
    if not isinstance(payload, dict):
        raise _invalid(f"not a JSON object: {payload!r}")
    if error := payload.get("error"):
        code = error.get("code") if isinstance(error, dict) else None
        kind = kind_of_status(code) if isinstance(code, int) and 300 <= code < 600 else "server"
        raise _failed(kind, f"an error with status 200: {error}")
    choices = payload.get("choices")
    if not isinstance(choices, list) or not choices:
        raise _invalid(f"choices is {choices!r}")
    message = choices[0].get("message") if isinstance(choices[0], dict) else None
    if not isinstance(message, dict):
        raise _invalid(f"the first choice has no message: {choices[0]!r}")
    content = message.get("content")
    if not isinstance(content, str | None):
        raise _invalid(f"the message's content is not text: {content!r}")
    is_cut = choices[0].get("finish_reason") == "length"  # all tokens may have gone into hidden reasoning
    if not (content or _reasoning(message) or message.get("tool_calls") or message.get("refusal") or is_cut):
        raise _invalid("the message is empty")
    return message


def _reasoning(message: Mapping[str, Any]) -> str | None:
    """Read the reasoning from its field: `reasoning_content` (DeepSeek, older vLLM) or `reasoning` (newer servers)."""
    reasoning = message.get("reasoning_content") or message.get("reasoning")
    return reasoning if isinstance(reasoning, str) else None


def _invalid(message: str) -> ModelCallError:
    return _failed("invalid_reply", message)


def _failed(kind: FailureKind, message: str) -> ModelCallError:
    return ModelCallError(Failure(kind=kind, message=" ".join(message.split())[:300]))
