"""`/chat/completions` of an `openai` client without the client's types, for requests and replies that are plain JSON.

The client makes its request from a tree of types, and of its reply a tree of objects, which takes as long as the rest
of the call; LangChain gives it JSON, and turns the objects into JSON again.
"""

from dataclasses import dataclass
from typing import Any

import openai

from critique_graph.nodes.bounded_bodies import HTTP

_PATH = "/chat/completions"


class JSONCompletions:
    """Stands in the place of `client.chat.completions`, or of its asynchronous form; streams have their types."""

    def __init__(self, client: openai.OpenAI | openai.AsyncOpenAI) -> None:
        self._typed = client.chat.completions
        is_async = isinstance(client, openai.AsyncOpenAI)
        self.with_raw_response = _PostAsync(client) if is_async else _Post(client)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._typed, name)


@dataclass(frozen=True)
class RawReply:
    """A reply of the server, as LangChain asks for it."""

    http_response: Any

    @property
    def headers(self) -> Any:
        """The headers of the reply."""
        return self.http_response.headers

    def parse(self) -> object:
        """Give the JSON of the reply; of a body that is said to be something else, the text.

        Raises:
            JSONDecodeError: The body is no JSON.
        """
        content_type = self.headers.get("content-type", "").partition(";")[0]
        return self.http_response.json() if content_type.endswith("json") else self.http_response.text


class _Post:
    def __init__(self, client: Any) -> None:
        self._client = client

    def create(self, **payload: Any) -> Any:
        if payload.get("stream"):
            return self._client.chat.completions.with_raw_response.create(**payload)
        body, options = _body_and_options(payload)
        return RawReply(self._client.post(_PATH, cast_to=HTTP.Response, body=body, options=options))


class _PostAsync:
    def __init__(self, client: Any) -> None:
        self._client = client

    async def create(self, **payload: Any) -> Any:
        if payload.get("stream"):
            return await self._client.chat.completions.with_raw_response.create(**payload)
        body, options = _body_and_options(payload)
        return RawReply(await self._client.post(_PATH, cast_to=HTTP.Response, body=body, options=options))


def _body_and_options(payload: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Part what goes into the body from what is said to the client, by the names of its method `create`."""
    names = {"extra_headers": "headers", "extra_query": "params", "extra_body": "extra_json", "timeout": "timeout"}
    options = {option: payload[name] for name, option in names.items() if payload.get(name) is not None}
    return {name: value for name, value in payload.items() if name not in names}, options
