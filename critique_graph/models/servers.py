"""The address of a model's server, with its credentials apart, and whether the server can be reached."""

import os
from base64 import b64encode
from collections.abc import Collection
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

import httpx
import orjson

from critique_graph.core.errors import InputError
from critique_graph.core.secrets import HIDDEN, redacted, remember

_SHOWN = 10
"""Most names of a server's models in a message."""
_MAX_LIST_BYTES = 4 * 2**20
"""Length of a list of models above which it is not read."""


@dataclass(frozen=True)
class Address:
    """An address without its secrets, and what they become in a request."""

    url: str
    headers: dict[str, str] = field(repr=False)
    query: dict[str, str] = field(repr=False)

    @property
    def has_credentials(self) -> bool:
        """True when the requests carry something by which the server may know the caller."""
        return bool(self.headers or self.query)


def read_address(base_url: str) -> Address:
    """Take an address such as `http://user:password@host/v1?api_key=KEY` apart, and hide its secrets from now on.

    Raises:
        InputError: It is no address of a server, or one whose secrets a file has left out.
    """
    if not base_url.startswith(("http://", "https://")):
        raise InputError(f"base_url must start with http:// or https://, got {redacted(base_url)!r}.")
    if HIDDEN in base_url:
        raise InputError(f"base_url {redacted(base_url)}: give its credentials, which no file keeps.")
    try:
        httpx.URL(base_url)
        parts = urlsplit(base_url)
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
    except (httpx.InvalidURL, ValueError):
        raise InputError(f"base_url {redacted(base_url)} is no valid address.") from None
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    raw = (part.partition("=")[2] for part in parts.query.split("&"))
    host = parts.netloc.rpartition("@")[2]
    headers = {}
    if user or password:
        headers["Authorization"] = f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"
    if headers or query:
        remember(user, password, parts.username or "", parts.password or "", *query.values(), *raw, *_tokens(headers))
    return Address(urlunsplit((parts.scheme, host, parts.path, "", "")), headers, query)


def check_server(url: str, names: Collection[str] = (), *, key: str | None = None) -> None:
    """Report at once, not after the retries of every call, that no server answers, or that it has no such model.

    Args:
        url: The address.
        names: Models that will be asked for; a server that lists its models must list them.
        key: The key of the server; None: that of `OPENAI_API_KEY`.

    Raises:
        InputError: There is no connection, or the server's list lacks a name; any HTTP status counts as an answer.
    """
    address = read_address(url)
    key = key or os.environ.get("OPENAI_API_KEY")
    headers = {**({"Authorization": f"Bearer {key}"} if key else {}), "Accept-Encoding": "identity", **address.headers}
    try:
        place = f"{address.url.rstrip('/')}/models"
        with httpx.stream("GET", place, headers=headers, params=address.query, timeout=10) as reply:
            listed = _listed(reply) if reply.is_success and names else []
    except (httpx.TransportError, httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise InputError(f"base_url {redacted(url)}: no server answers there ({error}).") from error
    for name in names:
        if listed and name not in listed:
            shown = ", ".join(listed[:_SHOWN]) + (", ..." if len(listed) > _SHOWN else "")
            raise InputError(f"openai:{name}: the server at {redacted(url)} has no such model; it lists {shown}.")


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


def _tokens(headers: dict[str, str]) -> list[str]:
    return [value.partition(" ")[2] for value in headers.values()]
