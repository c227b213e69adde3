"""Whether a model's server is there."""

import httpx

from critique_graph.core.errors import InputError


def check_server(url: str) -> None:
    """Tell at once, not after every call's retries, that nothing answers at `url`.

    Raises:
        InputError: there is no connection; any HTTP status at all counts as an answer.
    """
    try:
        httpx.get(f"{url.rstrip('/')}/models", timeout=10)
    except (httpx.TransportError, httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise InputError(f"--base-url {url}: no server answers there ({error}).") from error
