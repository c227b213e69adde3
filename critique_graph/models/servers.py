"""Whether a model's server can be reached, and has the model."""

import logging
import os
from collections.abc import Collection

import httpx
import orjson

from critique_graph.core.addresses import addresses_of, read_address
from critique_graph.core.errors import InputError
from critique_graph.core.secrets import redacted

logger = logging.getLogger(__name__)

_SHOWN = 10
"""Most names of a server's models in a message."""
_MAX_LIST_BYTES = 4 * 2**20
"""Length of a list of models above which it is not read."""


class NoAnswerError(InputError):
    """No server answers at an address."""


def check_base_url(base_url: str, names: Collection[str] = (), *, key: str | None = None) -> None:
    """Check every server that a base URL names, as `check_server` does; of several, some may not answer yet.

    Raises:
        InputError: No server answers, or the list of one lacks a name.
    """
    silent: list[NoAnswerError] = []
    addresses = addresses_of(base_url)
    for address in addresses:
        try:
            check_server(address, names, key=key)
        except NoAnswerError as error:
            silent.append(error)
    if len(silent) == len(addresses):
        raise silent[0]
    for complaint in silent:
        logger.warning("%s It has no calls until it does.", complaint)


def check_server(url: str, names: Collection[str] = (), *, key: str | None = None) -> None:
    """Report at once, not after the retries of every call, that no server answers, or that it has no such model.

    Args:
        url: The address.
        names: Models that will be asked for; a server that lists its models must list them.
        key: The key of the server; None: that of `OPENAI_API_KEY`.

    Raises:
        NoAnswerError: There is no connection; any HTTP status counts as an answer.
        InputError: The server's list lacks a name.
    """
    listed = models_at(url, key=key)
    for name in names:
        if listed and name not in listed:
            shown = ", ".join(listed[:_SHOWN]) + (", ..." if len(listed) > _SHOWN else "")
            raise InputError(f"openai:{name}: the server at {redacted(url)} has no such model; it lists {shown}.")


def models_at(url: str, *, key: str | None = None) -> list[str]:
    """Give the models that the server at an address lists; none if it lists none, or in another form.

    Raises:
        NoAnswerError: There is no connection; any HTTP status counts as an answer.
    """
    address = read_address(url)
    key = key or os.environ.get("OPENAI_API_KEY")
    headers = {**({"Authorization": f"Bearer {key}"} if key else {}), "Accept-Encoding": "identity", **address.headers}
    try:
        place = f"{address.url.rstrip('/')}/models"
        with httpx.stream("GET", place, headers=headers, params=address.query, timeout=10) as reply:
            return _listed(reply) if reply.is_success else []
    except (httpx.TransportError, httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise NoAnswerError(f"base_url {redacted(url)}: no server answers there ({error}).") from error


def _listed(reply: httpx.Response) -> list[str]:
    """Give the models that a server lists; none if it lists none, or in another form."""
    body = bytearray()
    try:
        for piece in reply.iter_bytes():
            body += piece
            if len(body) > _MAX_LIST_BYTES:
                return []
        return [str(model["id"]) for model in orjson.loads(body)["data"]]
    except (httpx.DecodingError, ValueError, KeyError, TypeError):
        return []
