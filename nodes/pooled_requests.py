"""Send each request of a client to one server of a pool: the one that `critique_graph.calls.routes` gave the call.

Like the bound of bodies, it is set by hooks of the client, which are there in both HTTP libraries of `openai`.
"""

import random
from collections.abc import Awaitable, Callable
from typing import Any

from critique_graph.calls.routes import chosen_server
from critique_graph.core.addresses import addresses_of, read_address


def sender(base_url: str, pool: str) -> Callable[[Any], None]:
    """Give a hook that changes where a request goes.

    A request outside the calls of this package, which has no server yet, goes to any.

    Args:
        base_url: The address that the client was made with, without credentials.
        pool: What names the servers: several addresses, or a file of them.
    """

    def send(request: Any) -> None:
        address = read_address(chosen_server() or random.choice(addresses_of(pool)))
        path = str(request.url).removeprefix(base_url.rstrip("/"))
        request.url = type(request.url)(f"{address.url.rstrip('/')}{path}", params=address.query or None)
        request.headers["Host"] = request.url.netloc.decode("ascii")
        request.headers.update(address.headers)

    return send


def sender_async(base_url: str, pool: str) -> Callable[[Any], Awaitable[None]]:
    """Give the hook of `sender` for an asynchronous client."""
    send = sender(base_url, pool)

    async def send_async(request: Any) -> None:
        send(request)

    return send_async
