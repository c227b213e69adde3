"""An OpenAI-compatible server that misbehaves as the path of its address says, for `faults.py` and the tests.

    python benchmarks/fault_server.py PORT

    /v1                     answers
    /once/FAULT/v1          shows a fault to the first request of each kind, and answers when it is sent again
    /always/FAULT/v1        shows a fault to every request
    /some/0.05/v1           shows one of the `PASSING` faults to this share of the requests
    POST /out/KIND/SECONDS  the server is out from now on: `refuses` connections, `hangs`, or answers `503`
    GET /counts             JSON: how many requests came, how many were different, and what was shown to them

It adds two numbers, rightly or not, as a hash of the request decides, and judges sums rightly. A question that contains
`[refused]` is always answered with status 400, and one that contains `[broken]` with status 500.
"""

import asyncio
import gzip
import hashlib
import io
import json
import re
import socket
import struct
import sys
import zlib
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

Ending = Literal[
    "answered",  # the problem is done, with an answer
    "cut",  # the problem is done without an answer: its response was cut off
    "failed",  # the same command tries the problem again
    "quarantined",  # it does not
]
WRONG_IF_READ = "99999"
"""The answer of every reply that must not count: one that is cut off, hidden or not meant for the reader."""


@dataclass(frozen=True)
class Wire:
    """What is sent for one request."""

    data: bytes
    end: Literal["close", "reset", "hang"] = "close"
    pause: float = 0.0
    """Seconds between pieces of 20 bytes; 0: everything at once."""


@dataclass(frozen=True)
class Fault:
    """A way to misbehave, and how a problem may end that meets it."""

    show: Callable[[str], Wire]
    """Makes of a good reply's text what is sent instead."""
    once: frozenset[Ending]
    """How a problem may end if only the first try of each call meets the fault."""
    always: frozenset[Ending]
    """How a problem may end if every try meets it."""


def http(body: bytes, status: int = 200, content_type: str = "application/json", **headers: str) -> bytes:
    """Give a response on the wire."""
    fields = {"Content-Type": content_type, "Content-Length": str(len(body)), "Connection": "close"}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status} {'OK' if status == 200 else 'Error'}\r\n{head}\r\n".encode() + body


def completion(content: object, finish: str | None = "stop", *, usage: object = None, **message: Any) -> bytes:
    """Give the body of a chat completion; `message` are further fields of the message."""
    choice = {
        "index": 0,
        "finish_reason": finish,
        "message": {"role": "assistant", "content": content, **message},
    }
    known = {"prompt_tokens": 50, "completion_tokens": 20, "total_tokens": 70}
    return json.dumps(
        {
            "id": "1",
            "object": "chat.completion",
            "created": 1,
            "model": "m",
            "choices": [choice],
            "usage": usage or known,
        }
    ).encode()


def error(status: int, message: str = "no", **headers: str) -> bytes:
    """Give an error in OpenAI's form."""
    return http(json.dumps({"error": {"message": message}}).encode(), status, **headers)


def _good(text: str) -> bytes:
    return http(completion(text))


def _bomb(text: str) -> Wire:
    """Half a gigabyte of spaces in half a megabyte, before a good reply."""
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=6, mtime=0) as file:
        for _ in range(500):
            file.write(b" " * 1_000_000)
        file.write(completion(text))
    return Wire(http(packed.getvalue(), Content_Encoding="gzip"))


def _chunked(*chunks: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)


def _no_length(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n" + body


def _cut_text(text: str) -> str:
    return f"Step 1: a sum.\nThe answer is \\boxed{{{WRONG_IF_READ}}}. But wait, I must"


def _two_choices(text: str) -> bytes:
    body = json.loads(completion(text))
    body["choices"].append(json.loads(completion(_cut_text(text)))["choices"][0])
    return json.dumps(body).encode()


_DONE, _CUT = frozenset[Ending]({"answered"}), frozenset[Ending]({"cut"})
_FAILED, _QUARANTINED = frozenset[Ending]({"failed"}), frozenset[Ending]({"quarantined"})
_NOT_READ = frozenset[Ending]({"cut", "failed", "quarantined"})
_TOOL_CALL = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
_HIDDEN = f"The answer is \\boxed{{{WRONG_IF_READ}}}."

_BROKEN: dict[str, Callable[[str], Wire]] = {
    "reset": lambda text: Wire(b"", "reset"),
    "reset half-way": lambda text: Wire(_good(text)[:-40], "reset"),
    "closed": lambda text: Wire(b""),
    "closed half-way": lambda text: Wire(_good(text)[:-40]),
    "chunk cut": lambda text: Wire(_chunked(completion(text))[:-30]),
    "no HTTP": lambda text: Wire(b"\x00\x01\x02 not HTTP at all\r\n\r\n"),
    "huge header": lambda text: Wire(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 2_000_000 + b"\r\n\r\n"),
    "hangs": lambda text: Wire(b"", "hang"),
    "hangs half-way": lambda text: Wire(_good(text)[:-40], "hang"),
    "drips": lambda text: Wire(_good(text), pause=0.5),
    "drips without end": lambda text: Wire(_chunked(*[b" "] * 1000), "hang", pause=0.2),
    "500": lambda text: Wire(error(500)),
    "502 empty": lambda text: Wire(http(b"", 502)),
    "503 page": lambda text: Wire(http(b"<html>down</html>", 503, "text/html")),
    "503 for hours": lambda text: Wire(error(503, Retry_After="9999")),
    "504": lambda text: Wire(error(504)),
    "529": lambda text: Wire(error(529)),
    "error with 200": lambda text: Wire(http(b'{"error": {"message": "out of memory", "code": 500}}')),
    "429": lambda text: Wire(error(429)),
    "429 for a second": lambda text: Wire(error(429, Retry_After="1")),
    "408": lambda text: Wire(error(408)),
}
_SETUP: dict[str, Callable[[str], Wire]] = {
    "401": lambda text: Wire(error(401, "Incorrect API key provided")),
    "403": lambda text: Wire(error(403)),
    "404": lambda text: Wire(error(404, "no such model")),
    "redirect": lambda text: Wire(http(b"", 307, Location="/v1/chat/completions")),
    "web page": lambda text: Wire(http(b"<html>Log in</html>", content_type="text/html")),
    "web page as JSON": lambda text: Wire(http(b"<!DOCTYPE html><title>Log in</title>")),
    "429 for hours": lambda text: Wire(error(429, Retry_After="9999")),
}
_REJECTED: dict[str, Callable[[str], Wire]] = {
    "400": lambda text: Wire(error(400)),
    "400 for a terminal": lambda text: Wire(error(400, "\x1b]0;title\x07 \x9b31m \u202e [bold red]x[/bold red] [/no]")),
    "400 surrogate": lambda text: Wire(http(rb'{"error": {"message": "bad \ud800 thing"}}', 400)),
    "413": lambda text: Wire(error(413)),
    "422": lambda text: Wire(error(422)),
}
_INVALID: dict[str, Callable[[str], Wire]] = {
    "JSON cut": lambda text: Wire(http(b'{"choices": [')),
    "JSON cut, no length": lambda text: Wire(_no_length(completion(text)[:-30])),
    "nothing": lambda text: Wire(http(b"")),
    "not UTF-8": lambda text: Wire(http(completion(text).replace(b"Step", b"\xff\xfe\xc3("))),
    "list": lambda text: Wire(http(b"[1, 2]")),
    "deep JSON": lambda text: Wire(http(b'{"choices": ' + b"[" * 100_000 + b"]" * 100_000 + b"}")),
    "choices empty": lambda text: Wire(http(b'{"choices": []}')),
    "choices null": lambda text: Wire(http(b'{"choices": null}')),
}
_EMPTY: dict[str, Callable[[str], Wire]] = {
    "content null": lambda text: Wire(http(completion(None))),
    "content empty": lambda text: Wire(http(completion(""))),
    "content spaces": lambda text: Wire(http(completion("  \n "))),
    "content invisible": lambda text: Wire(http(completion("\u200b\u200b"))),
    "content NUL": lambda text: Wire(http(completion("\x00\x00"))),
    "reasoning only": lambda text: Wire(http(completion(f"<think>{_HIDDEN}</think>"))),
    "reasoning open": lambda text: Wire(http(completion(f"<think>{_HIDDEN}"))),
    "reasoning field only": lambda text: Wire(http(completion(None, reasoning_content=_HIDDEN))),
    "refusal": lambda text: Wire(http(completion(None, refusal="I cannot help with that."))),
    "tool call": lambda text: Wire(http(completion(None, "tool_calls", tool_calls=[_TOOL_CALL]))),
}
_CUT_OFF: dict[str, Callable[[str], Wire]] = {
    "length": lambda text: Wire(http(completion(_cut_text(text), "length"))),
    "content filter": lambda text: Wire(http(completion(_cut_text(text), "content_filter"))),
    "model length": lambda text: Wire(http(completion(_cut_text(text), "model_length"))),
    "no finish reason": lambda text: Wire(http(completion(_cut_text(text), None))),
}
_TOO_LONG: dict[str, Callable[[str], Wire]] = {
    "50 MB": lambda text: Wire(http(completion("A" * 50_000_000 + _HIDDEN))),
    "50 MB of reasoning": lambda text: Wire(http(completion(text, reasoning_content="R" * 50_000_000))),
    "500 MB in gzip": _bomb,
}
_HARMLESS: dict[str, Callable[[str], Wire]] = {
    "content in parts": lambda text: Wire(http(completion([{"type": "text", "text": text}]))),
    "two choices": lambda text: Wire(http(_two_choices(text))),
    "surrogate": lambda text: Wire(http(completion(text).replace(b"Step 1", rb"Step \ud800 1"))),
    "surrogate in finish": lambda text: Wire(http(completion(text).replace(b'"stop"', rb'"stop\ud800"'))),
    "surrogate in reasoning": lambda text: Wire(http(completion(text, reasoning_content="a\ud800b"))),
    "terminal codes": lambda text: Wire(http(completion(f"\x1b[31m\x00\x1b]0;title\x07\x9b31m{text}"))),
    "usage big": lambda text: Wire(http(completion(text, usage={"prompt_tokens": 10**30, "completion_tokens": 1}))),
    "usage negative": lambda text: Wire(http(completion(text, usage={"prompt_tokens": -5, "completion_tokens": -7}))),
    "usage text": lambda text: Wire(http(completion(text, usage={"prompt_tokens": "x", "completion_tokens": None}))),
    "usage NaN": lambda text: Wire(http(completion(text, usage={"prompt_tokens": float("nan")}))),
    "continue first": lambda text: Wire(b"HTTP/1.1 100 Continue\r\n\r\n" * 3 + _good(text)),
}
FAULTS: dict[str, Fault] = {
    **{name: Fault(show, _DONE, _FAILED) for name, show in _BROKEN.items()},
    **{name: Fault(show, _FAILED, _FAILED) for name, show in _SETUP.items()},
    **{name: Fault(show, _QUARANTINED, _QUARANTINED) for name, show in _REJECTED.items()},
    **{name: Fault(show, _DONE, _QUARANTINED) for name, show in _INVALID.items()},
    **{name: Fault(show, _DONE | _FAILED, _FAILED | _QUARANTINED) for name, show in _EMPTY.items()},
    **{name: Fault(show, _CUT, _CUT) for name, show in _CUT_OFF.items()},
    **{name: Fault(show, _DONE | _NOT_READ, _NOT_READ) for name, show in _TOO_LONG.items()},
    **{name: Fault(show, _DONE, _DONE) for name, show in _HARMLESS.items()},
}
PASSING = (
    "reset", "reset half-way", "closed", "closed half-way", "chunk cut", "429", "429 for a second", "500", "502 empty",
    "503 page", "JSON cut", "nothing", "choices empty", "not UTF-8",
)  # fmt: skip
"""Faults of a server that is at work otherwise; another try helps."""


def answer(request: dict[str, Any]) -> str:
    """Give the text of a good reply: a solution, a critique or a refinement."""
    first, last = (request["messages"][index]["content"] for index in (0, -1))
    found = re.search(r"What is (\d+) \+ (\d+)\?", first)
    if found is None:  # a probe
        return "2"
    total = sum(map(int, found.groups()))
    if "Check the response to the problem" in last:
        verdict = "Correct" if f"boxed{{{total}}}" in last else "Wrong"
        return (
            f"Step sentence: Step 1: add.\nCorrectness of the step: {verdict}\nExplanation: The sum is {total}.\n\n"
            f"Correctness of the final answer: {verdict}\nExplanation: The sum is {total}."
        )
    is_refinement = "A critic has checked" in last
    is_right = is_refinement or chance("right", key_of(request)) < 0.5
    return f"Step 1: add.\nThe answer is \\boxed{{{total if is_right else total + 1}}}."


def key_of(request: dict[str, Any]) -> str:
    """Give what tells different requests apart: a request that is sent again has the same key."""
    return hashlib.sha256(json.dumps([request["messages"], request.get("seed")]).encode()).hexdigest()


def chance(*parts: object) -> float:
    """Give a number from 0 to 1 that depends only on `parts`."""
    return zlib.crc32("/".join(map(str, parts)).encode()) / 2**32


class FaultServer:
    """The server: it counts requests and shows faults."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._server: asyncio.Server | None = None
        self._shown: Counter[str] = Counter()
        self._tries: Counter[str] = Counter()
        self._answered: set[str] = set()
        self._out: str | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def listen(self) -> None:
        """Accept connections from now on."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port, backlog=4096, limit=2**24)

    def close(self) -> None:
        """Refuse connections from now on."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                head = await reader.readuntil(b"\r\n\r\n")
                method, path, *_ = head.decode("latin-1").split(" ")
                length = re.search(rb"content-length: (\d+)", head.lower())
                body = await reader.readexactly(int(length[1])) if length else b""
                await _send(await self._wire(method, path.strip("/").split("/"), body), writer)
        finally:
            with suppress(ConnectionError):
                writer.close()

    async def _wire(self, method: str, path: list[str], body: bytes) -> Wire:
        match path:
            case ["counts"]:
                return Wire(http(json.dumps(self._counts()).encode()))
            case ["out", kind, seconds]:
                task = asyncio.create_task(self._be_out(kind, float(seconds)))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
                return Wire(http(b"{}"))
        if method == "GET":
            return Wire(http(b'{"data": []}'))
        request = json.loads(body)
        if self._out is not None:
            self._shown[f"while it {self._out}"] += 1
            return Wire(b"", "hang") if self._out == "hangs" else Wire(error(503))
        for word, status in (("[refused]", 400), ("[broken]", 500)):
            if word in request["messages"][0]["content"]:
                self._shown[word] += 1
                return Wire(error(status))
        key = key_of(request)
        place = f"{path[:2]}{key}"
        tries = self._tries[place]
        self._tries[place] += 1
        fault = self._fault(path, key, tries)
        self._shown[fault or "good"] += 1
        if fault is None:
            self._answered.add(place)
            return Wire(_good(answer(request)))
        return await asyncio.to_thread(FAULTS[fault].show, answer(request))

    def _fault(self, path: list[str], key: str, tries: int) -> str | None:
        match path:
            case ["always", fault, *_]:
                return fault.replace("%20", " ")
            case ["once", fault, *_] if tries == 0:
                return fault.replace("%20", " ")
            case ["some", share, *_] if chance("fault", key, tries) < float(share):
                return PASSING[int(chance("which", key, tries) * len(PASSING))]
        return None

    def _counts(self) -> dict[str, Any]:
        return {
            "requests": self._shown.total(),
            "different": len(self._tries),
            "answered": len(self._answered),
            "shown": dict(self._shown),
        }

    async def _be_out(self, kind: str, seconds: float) -> None:
        if kind == "refuses":
            await asyncio.sleep(0.2)  # for the answer to this request
            self.close()
            await asyncio.sleep(seconds)
            await self.listen()
        else:
            self._out = kind
            await asyncio.sleep(seconds)
            self._out = None


async def _send(wire: Wire, writer: asyncio.StreamWriter) -> None:
    size = 20 if wire.pause else max(1, len(wire.data))
    for start in range(0, len(wire.data), size):
        writer.write(wire.data[start : start + size])
        await writer.drain()
        await asyncio.sleep(wire.pause)
    if wire.end == "hang":
        await asyncio.sleep(3600)
    if wire.end == "reset":
        await asyncio.sleep(0.02)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()


async def _main(port: int) -> None:
    server = FaultServer(port)
    await server.listen()
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1])))
