"""Simulated servers in one process, for `servers.py` and `scale.py`: each has slots, a queue, a prefix cache, faults.

    python benchmarks/simulated_servers.py SLOTS SECONDS [SERVERS]

A call takes SECONDS. Where SERVERS are given, a twentieth of that is the time of a token that is written; a token of
the prompt takes a fiftieth of it, or none if the server knows the problem already.

It prints the ports of the servers as JSON. `POST /be/KIND` changes the server that gets it: `killed` (it is closed, and
calls in flight are cut off), `slow` (four times as slow), `refusing` (every second request: 503), `failing` (every
hundredth: 503) or `limited` (429 for all requests above half of its slots). `GET /counts` gives calls, cache hits,
refusals, and the seconds that slots were busy.

A reply is what `fault_server.answer` makes of the request, whichever server gives it.
"""

import asyncio
import json
import re
import sys
from collections import Counter
from contextlib import suppress
from typing import Any

from fault_server import answer, error, http

SERVERS = 8


class Simulated:
    """One server."""

    def __init__(self, slots: int, seconds: float, *, by_tokens: bool) -> None:
        self.kind = "well"
        self.counts: Counter[str] = Counter()
        self._slots, self._seconds, self._by_tokens = slots, seconds, by_tokens
        self._busy_seconds = 0.0
        self._free = asyncio.Semaphore(slots)
        self._in_flight = 0
        self._cached: set[str] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._listening: asyncio.Server | None = None

    async def listen(self) -> int:
        """Listen on a free port; gives it."""
        self._listening = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1024, limit=2**24)
        port: int = self._listening.sockets[0].getsockname()[1]
        return port

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                head = await reader.readuntil(b"\r\n\r\n")
                method, path, *_ = head.decode("latin-1").split(" ")
                length = re.search(rb"content-length: (\d+)", head.lower())
                body = await reader.readexactly(int(length[1])) if length else b""
                writer.write(await self._reply(method, path, body))
                await writer.drain()
        finally:
            self._writers.discard(writer)
            with suppress(ConnectionError):
                writer.close()

    async def _reply(self, method: str, path: str, body: bytes) -> bytes:
        if path.startswith("/be/"):
            self._be(path.removeprefix("/be/"))
            return http(b"{}")
        if method == "GET":
            counts = {**self.counts, "busy_seconds": self._busy_seconds}
            return http(json.dumps(counts if path == "/counts" else {"data": []}).encode())
        self.counts["requests"] += 1
        every = {"refusing": 2, "failing": 100}.get(self.kind)
        if (every is not None and self.counts["requests"] % every == 1) or (
            self.kind == "limited" and self._in_flight >= self._slots // 2
        ):
            self.counts["refused"] += 1
            return error(429 if self.kind == "limited" else 503)
        request = json.loads(body)
        self._in_flight += 1
        try:
            async with self._free:
                seconds = self._seconds_for(request) * (4 if self.kind == "slow" else 1)
                self._busy_seconds += seconds
                await asyncio.sleep(seconds)
        finally:
            self._in_flight -= 1
        return self._completion(request)

    def _seconds_for(self, request: dict[str, Any]) -> float:
        if not self._by_tokens:
            return self._seconds
        read = 0 if _problem(request) in self._cached else sum(len(m["content"]) for m in request["messages"]) / 4
        return self._seconds / 20 * (len(answer(request)) / 4 + read / 50)

    def _completion(self, request: dict[str, Any]) -> bytes:
        problem = _problem(request)
        self.counts["calls"] += 1
        self.counts["hits"] += problem in self._cached
        usage = {
            "prompt_tokens": 100,
            "completion_tokens": 20,
            "total_tokens": 120,
            "prompt_tokens_details": {"cached_tokens": 80 if problem in self._cached else 0},
        }
        self._cached.add(problem)
        message = {"role": "assistant", "content": answer(request)}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        return http(json.dumps({"model": "m", "choices": [choice], "usage": usage}).encode())

    def _be(self, kind: str) -> None:
        self.kind = kind
        if kind == "killed" and self._listening is not None:
            self._listening.close()
            for writer in tuple(self._writers):
                writer.transport.abort()


def _problem(request: dict[str, Any]) -> str:
    question = re.search(r"What is \d+ \+ \d+\?", request["messages"][0]["content"])
    return question[0] if question else "probe"


async def _main(slots: int, seconds: float, count: int | None) -> None:
    by_tokens = count is not None
    servers = [Simulated(slots, seconds, by_tokens=by_tokens) for _ in range(SERVERS + 1 if count is None else count)]
    print(json.dumps([await server.listen() for server in servers]), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]) if sys.argv[3:] else None))
