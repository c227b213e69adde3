"""The servers of this machine together: kept in service until one says stop, their addresses in a file."""

import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event

from critique_graph.core.errors import InputError, RunError
from critique_graph.core.files import write_atomically
from critique_graph.core.tied_process import end_all
from critique_graph.serve_models.replica import Replica

TICK_SECONDS = 0.5
"""Seconds between two looks at the servers."""
_TITLE = "# servers of critique-graph serve-models that are ready"


def keep_serving(
    replicas: Sequence[Replica],
    urls: Path | None,
    stop: Event,
    *,
    ready: Callable[[Sequence[str]], None],
    tick: float = TICK_SECONDS,
) -> None:
    """Start servers and keep them in service until `stop` is set; then end them.

    Args:
        replicas: The servers.
        urls: File that has the addresses of those that are ready, from when all of them first are.
        stop: Set by somebody else, to end.
        ready: Called once with all addresses, when all servers are first ready.
        tick: Seconds between two looks.

    Raises:
        RunError: A server ended before it was ever ready, or all were given up.
    """
    if urls is not None:
        _refuse_other_file(urls)
    written: list[str] | None = None
    try:
        while not stop.wait(tick):
            for replica in replicas:
                replica.look()
            found = [replica.order.url for replica in replicas if replica.is_ready]
            if written is None and len(found) < len(replicas):
                continue
            if urls is not None and found != written:
                write_atomically(urls, (f"{line}\n".encode() for line in (_TITLE, *found)))
            if written is None:
                ready(found)
            written = found
            if all(replica.is_given_up for replica in replicas):
                raise RunError("all servers are given up: none stays in service.")
    finally:
        end_all(process for replica in replicas for process in replica.running())
        if urls is not None:
            urls.unlink(missing_ok=True)


def check_ports(ports: Sequence[int]) -> None:
    """Check that nothing listens at these ports of this machine.

    Raises:
        InputError: Something does.
    """
    for port in ports:
        with socket.socket() as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server will
            try:
                tried.bind(("127.0.0.1", port))
            except OSError as error:
                raise InputError(f"port {port} cannot be used ({error.strerror}): give another --port.") from None


def _refuse_other_file(urls: Path) -> None:
    """Make room for the file; one that is no earlier file of servers stays.

    Raises:
        InputError: There is another file in its place.
    """
    if urls.is_file() and urls.read_text(errors="replace").partition("\n")[0] == _TITLE:
        urls.unlink()
    if urls.exists():
        raise InputError(f"--urls {urls}: there is another file in its place.")
