"""The web application: one model, `critique-graph`, whose completions are played by the loop."""

import asyncio
import hmac
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import orjson
from langchain_core.messages import HumanMessage
from langgraph.graph.state import CompiledStateGraph
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request as HTTPRequest
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from critique_graph.calls.breaker import Breakers, Patience
from critique_graph.core.errors import CritiqueGraphError, first_line
from critique_graph.nodes.chat_turn import VERDICTS
from critique_graph.serve.completions import Reply, Request, refused
from critique_graph.serve.narration import narrated

MODEL = "critique-graph"


class FailedError(CritiqueGraphError):
    """No response could be written: the actor's call failed."""


def create_app(
    chat: CompiledStateGraph[Any, Any, Any, Any],
    defaults: Mapping[str, Any],
    *,
    patience: Patience,
    api_key: str | None = None,
) -> Starlette:
    """Create the application.

    Args:
        chat: The graph of `create_chat`, compiled.
        defaults: Settings of the loop that a request does not give.
        patience: How long calls wait for a server of a model.
        api_key: Key that a caller must present; None lets everybody call.
    """

    async def models(request: HTTPRequest) -> Response:
        listed = {"object": "list", "data": [{"id": MODEL, "object": "model", "owned_by": MODEL}]}
        return _refused(request, api_key) or JSONResponse(listed)

    async def completions(request: HTTPRequest) -> Response:
        if (denied := _refused(request, api_key)) is not None:
            return denied
        try:
            body = orjson.loads(await request.body())
            asked = Request.model_validate(body)
            if (reason := refused(body)) is not None:
                raise ValueError(reason)
            question, context = asked.question(), asked.context(defaults)
        except ValidationError as error:
            first = error.errors()[0]
            return _error(400, f"{'.'.join(map(str, first['loc']))}: {first['msg']}")
        except ValueError as error:  # orjson's error is one, too
            return _error(400, first_line(error))
        played = play(chat, question, context, patience)
        reply = Reply(MODEL)
        if asked.stream:
            with_usage = asked.stream_options is not None and asked.stream_options.include_usage
            return StreamingResponse(
                streamed(played, reply, asked.cut, with_usage=with_usage), media_type="text/event-stream"
            )
        try:
            *said, answer = [part async for part in played]
        except CritiqueGraphError as error:
            return _error(502, first_line(error))
        assert isinstance(answer, dict)
        return JSONResponse(reply.whole({**answer, "text": asked.cut(answer["text"])}, "\n".join(map(str, said))))

    routes = [
        Route("/v1/models", models, methods=["GET"]),
        Route("/v1/chat/completions", completions, methods=["POST"]),
    ]
    return Starlette(routes=routes)


async def play(
    chat: CompiledStateGraph[Any, Any, Any, Any], question: str, context: Mapping[str, Any], patience: Patience
) -> AsyncIterator[str | dict[str, Any]]:
    """Play the loop: gives what happens in words, and at last the answer.

    The loop runs in a task of its own, which ends with this generator: a caller who goes away leaves no calls behind.

    Raises:
        FailedError: There is no response.
    """
    parts: asyncio.Queue[str | None] = asyncio.Queue()
    task = asyncio.create_task(_played(chat, question, context, patience, parts.put_nowait))
    task.add_done_callback(lambda done: parts.put_nowait(None))
    try:
        while (part := await parts.get()) is not None:
            yield part
        yield await task
    finally:
        task.cancel()


async def _played(
    chat: CompiledStateGraph[Any, Any, Any, Any],
    question: str,
    context: Mapping[str, Any],
    patience: Patience,
    tell: Callable[[str], None],
) -> dict[str, Any]:
    failures, answer = ["the actor gave no response."], dict[str, Any]()
    begun: Any = {"messages": [HumanMessage(question)]}
    mode: str
    part: Any
    async with Breakers(patience):
        async for mode, part in chat.astream(begun, context=dict(context), stream_mode=["custom", "updates"]):
            if mode == "updates":
                answer = part.get("write_answer", answer)
            elif text := narrated(part):
                tell(text)
            if mode == "custom" and part["event"] == "failure":
                failures.append(f"{part['kind']}: {part['message']}")
    (message,) = answer["messages"]
    found = dict(message.additional_kwargs[VERDICTS])
    if not found.pop("has_response"):
        raise FailedError(failures[-1])
    reason = "length" if found["is_truncated"] else "stop"
    return {"text": message.text, "usage": found.pop("usage"), "found": found, "finish_reason": reason}


async def streamed(
    played: AsyncIterator[str | dict[str, Any]], reply: Reply, cut: Callable[[str], str], *, with_usage: bool
) -> AsyncIterator[bytes]:
    """Give the loop as server-sent events: progress as reasoning, the answer at the end."""
    yield _event(reply.chunk({"role": "assistant", "content": ""}))
    try:
        async for part in played:
            if isinstance(part, str):
                yield _event(reply.chunk({"reasoning_content": f"{part}\n"}))
            else:
                yield _event(reply.chunk({"content": cut(part["text"])}))
                yield _event(reply.chunk({}, part["finish_reason"]))
                if with_usage:
                    yield _event(reply.last(part["usage"]))
    except CritiqueGraphError as error:
        yield _event({"error": _described(first_line(error), 502)})
        return
    yield b"data: [DONE]\n\n"


def _event(content: Mapping[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(content) + b"\n\n"


def _refused(request: HTTPRequest, api_key: str | None) -> Response | None:
    given = request.headers.get("authorization", "").removeprefix("Bearer ")
    if api_key is None or hmac.compare_digest(given.encode(), api_key.encode()):
        return None
    return _error(401, "the key is missing or wrong.")


def _error(status: int, message: str) -> Response:
    return JSONResponse({"error": _described(message, status)}, status_code=status)


def _described(message: str, status: int) -> dict[str, Any]:
    kind = "invalid_request_error" if status < 500 else "server_error"
    return {"message": message, "type": kind, "code": status}
