"""Bound the bodies of HTTP replies while they are read, so that no server can fill the memory.

The bound counts what a compressed body holds. It is set by hooks of the client, because `openai` comes with one of two
HTTP libraries, httpx2 or (in older versions) httpx.
"""

import zlib
from collections.abc import AsyncIterator, Iterator
from importlib import import_module
from typing import Any

import openai

from critique_graph.core.errors import ModelCallError
from critique_graph.core.schema import Failure

MAX_BODY_BYTES = 16 * 2**20
"""Most bytes of a body; of a stream of events, most bytes of one event."""
_PIECE_BYTES = 2**16

HTTP: Any = import_module(openai.DefaultHttpxClient.__mro__[1].__module__.partition(".")[0])
"""The HTTP library of `openai`."""


def bound(response: Any) -> None:
    """Bound the body of `response`, which has not been read yet: a hook of a client.

    Raises:
        ModelCallError: The body is compressed in a way that was not asked for.
    """
    encoding = response.headers.pop("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity", "gzip", "x-gzip"):
        raise _refused(f"the server compresses as {encoding!r}, which it was not asked to")
    is_stream = response.headers.get("content-type", "").startswith("text/event-stream")
    response.stream = _BoundedBody(response.stream, is_gzip="gzip" in encoding, is_stream=is_stream)


async def bound_async(response: Any) -> None:
    """Bound the body of `response`, as `bound` does: a hook of an asynchronous client."""
    bound(response)


class _BoundedBody(HTTP.AsyncByteStream, HTTP.SyncByteStream):  # type: ignore[misc]  # the library is found at run time
    """The body of a reply, which ends in an error at the bound."""

    def __init__(self, body: Any, *, is_gzip: bool, is_stream: bool) -> None:
        self._body = body
        self._inflate = zlib.decompressobj(wbits=31) if is_gzip else None
        self._is_stream = is_stream
        self._size = 0

    def __iter__(self) -> Iterator[bytes]:
        for received in self._body:
            yield from self._checked(received)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for received in self._body:
            for piece in self._checked(received):
                yield piece

    def close(self) -> None:
        self._body.close()

    async def aclose(self) -> None:
        await self._body.aclose()

    def _checked(self, received: bytes) -> Iterator[bytes]:
        for piece in self._inflated(received):
            if self._is_stream and (end := piece.rfind(b"\n")) >= 0:
                self._size = len(piece) - end
            else:
                self._size += len(piece)
            if self._size > MAX_BODY_BYTES:
                raise _refused(f"the reply is larger than {MAX_BODY_BYTES // 2**20} MB")
            yield piece

    def _inflated(self, received: bytes) -> Iterator[bytes]:
        if self._inflate is None:
            yield received
            return
        piece = b""
        while received or len(piece) == _PIECE_BYTES:
            try:
                piece = self._inflate.decompress(received, _PIECE_BYTES)
            except zlib.error as error:
                failure = Failure(kind="invalid_reply", message=f"the compressed reply is damaged: {error}")
                raise ModelCallError(failure) from error
            yield piece
            received = self._inflate.unconsumed_tail


def _refused(message: str) -> ModelCallError:
    return ModelCallError(Failure(kind="invalid_reply", message=message), can_retry=False)
