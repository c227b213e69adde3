"""Servers of a scripted vLLM (`fake_vllm_server`) for tests: where they are, and whether any of them still lives."""

import fcntl
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

FAKE = Path(__file__).parent / "fake_vllm_server"
SERVER = FAKE / "vllm" / "entrypoints" / "openai" / "api_server.py"
LONGEST_SECONDS = 60.0


def environment() -> dict[str, str]:
    """Give the environment in which the scripted vLLM is the one that is installed."""
    paths = [str(FAKE), str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}


def free_port(count: int = 1) -> int:
    """Give the first of so many ports in a row at which nothing listens."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            first: int = probe.getsockname()[1]
        if all(_is_free(port) for port in range(first, first + count)):
            return first


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def wait_until(is_so: Callable[[], bool], what: str) -> None:
    """Wait for other processes."""
    began = time.monotonic()
    while not is_so():
        assert time.monotonic() - began < LONGEST_SECONDS, f"{what} did not happen"
        time.sleep(0.01)


def is_released(lock: Path) -> bool:
    """Tell whether no process holds a lock that servers and their processes share."""
    with lock.open("w") as tried:
        try:
            fcntl.flock(tried, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True
