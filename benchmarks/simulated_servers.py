"""Eight simulated servers in one process, for `servers.py`: each has slots, a queue, a prefix cache and faults.

    python benchmarks/simulated_servers.py SLOTS SECONDS

It prints the ports of the servers as JSON. `POST /be/KIND` changes the server that gets it: `killed` (it is closed, and
calls in flight are cut off), `slow` (four times as slow), `refusing` (every second request: 503) or `limited` (429
for all requests above half of its slots). `GET /counts` gives calls, cache hits and refusals.

A reply is what `fault_server.answer` makes of the request, whichever server gives it.
"""

import asyncio
import json
import re
import sys
from collections import Counter
from contextlib import suppress

from fault_server import answer, error, http

SERVERS = 8


class Simulated:
    """One server."""

    def __init__(self, slots: int, seconds: float) -> None:
        self.kind = "well"
        self.counts: Counter[str] = Counter()
        self._slots, self._seconds = slots, seconds
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
            return http(json.dumps(self.counts if path == "/counts" else {"data": []}).encode())
        self.counts["requests"] += 1
        if (self.kind == "refusing" and self.counts["requests"] % 2) or (
            self.kind == "limited" and self._in_flight >= self._slots // 2
        ):
            self.counts["refused"] += 1
            return error(503 if self.kind == "refusing" else 429)
        self._in_flight += 1
        try:
            async with self._free:
                await asyncio.sleep(self._seconds * (4 if self.kind == "slow" else 1))
        finally:
            self._in_flight -= 1
        return self._completion(json.loads(body))

    def _completion(self, request: dict[str, object]) -> bytes:
        messages = request["messages"]
        assert isinstance(messages, list)
        question = re.search(r"What is \d+ \+ \d+\?", messages[0]["content"])
        problem = question[0] if question else "probe"
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


async def _main(slots: int, seconds: float) -> None:
    servers = [Simulated(slots, seconds) for _ in range(SERVERS + 1)]
    print(json.dumps([await server.listen() for server in servers]), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]), float(sys.argv[2])))
