"""CPU of a call over HTTP by what makes it: our client, LangChain's, openai's, and the HTTP library alone.

    PYTHONPATH=tests python benchmarks/client.py [--calls 600] [--in-flight 64] [--trials 3]

All ask the same of a simulated server in another process (`simulated_servers.py`), each call over a connection of its
own, in turn. The figures are the processor time of this process, and what cProfile counts of function calls.
"""

import argparse
import asyncio
import cProfile
import gc
import json
import os
import pstats
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median
from typing import Any

import openai
from langchain_core.messages import HumanMessage
from langchain_openai import ChatOpenAI

from critique_graph.nodes.bounded_bodies import HTTP
from critique_graph.nodes.chat_openai import ChatOpenAIServer

QUESTION = "What is 3 + 4? Think step by step. " + 400 * "x"
ASKED: dict[str, Any] = {"temperature": 0.7, "seed": 1, "max_tokens": 1024}
BODY: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": QUESTION}], **ASKED}
CLOSE = {"Connection": "close"}

Call = Callable[[], Awaitable[object]]


def clients(url: str) -> dict[str, Call]:
    """Give a call of each client."""
    ours = ChatOpenAIServer(model="m", base_url=url)
    theirs = ChatOpenAI(model="m", base_url=url, api_key="none", max_retries=0, default_headers=CLOSE)
    typed = openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0, default_headers=CLOSE)
    http = HTTP.AsyncClient(headers=CLOSE)
    messages = [HumanMessage(QUESTION)]

    async def post() -> object:
        return (await http.post(f"{url}/chat/completions", json=BODY)).json()

    return {
        "critique-graph": lambda: ours.ainvoke(messages, **ASKED),
        "langchain-openai": lambda: theirs.ainvoke(messages, **ASKED),
        "openai": lambda: typed.chat.completions.create(**BODY),
        HTTP.__name__: post,
    }


async def make(call: Call, number: int, in_flight: int) -> None:
    """Make a number of calls."""
    left = iter(range(number))

    async def work() -> None:
        for _ in left:
            await call()

    await asyncio.gather(*(work() for _ in range(in_flight)))


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=600, help="of a client in a trial")
    parser.add_argument("--in-flight", type=int, default=64)
    parser.add_argument("--trials", type=int, default=3)
    options = parser.parse_args()
    script = Path(__file__).with_name("simulated_servers.py")
    command = [sys.executable, str(script), str(options.in_flight), "0.05", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as server:  # noqa: S603 - our own server
        assert server.stdout is not None
        (port,) = json.loads(server.stdout.readline())
        calls = clients(f"http://127.0.0.1:{port}/v1")
        seconds = {name: list[float]() for name in calls}
        try:
            for call in calls.values():
                asyncio.run(make(call, 2 * options.in_flight, options.in_flight))
            for _ in range(options.trials):
                for name, call in calls.items():
                    gc.collect()
                    begun = time.process_time()
                    asyncio.run(make(call, options.calls, options.in_flight))
                    seconds[name].append(time.process_time() - begun)
            print(f"load {os.getloadavg()[0]:.1f}\n\n| client | CPU a call | function calls a call |\n|---|---|---|")
            for name, call in calls.items():
                with cProfile.Profile() as profile:
                    asyncio.run(make(call, options.calls, options.in_flight))
                each = [1000 * trial / options.calls for trial in seconds[name]]
                counted = pstats.Stats(profile).total_calls / options.calls  # type: ignore[attr-defined]
                print(f"| {name} | {median(each):.2f} ms ({min(each):.2f} to {max(each):.2f}) | {counted:,.0f} |")
        finally:
            server.kill()


if __name__ == "__main__":
    main()
