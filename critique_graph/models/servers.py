"""Check whether a model's server can be reached."""

import httpx

from critique_graph.core.errors import InputError


def check_server(url: str) -> None:
    """Report at once, not after the retries of every call, that no server answers at `url`.

    Raises:
        InputError: There is no connection; any HTTP status counts as an answer.
    """
    try:
        httpx.get(f"{url.rstrip('/')}/models", timeout=10)
    except (httpx.TransportError, httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise InputError(f"--base-url {url}: no server answers there ({error}).") from error
