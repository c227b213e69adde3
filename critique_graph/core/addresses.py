"""The addresses of models' servers: what a base URL names, and an address without its credentials."""

import re
from base64 import b64encode
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

import httpx

from critique_graph.core.errors import InputError
from critique_graph.core.secrets import HIDDEN, redacted, remember

_NEXT = re.compile(r",\s*(?=https?://)")
"""Between two addresses; other commas are part of one."""
_FILE = "@"


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


def names_pool(base_url: str) -> bool:
    """Tell whether a base URL names a pool of servers: several addresses, or a file of them."""
    return base_url.startswith(_FILE) or _NEXT.search(base_url) is not None


def addresses_of(base_url: str) -> tuple[str, ...]:
    """Give the addresses that a base URL names: one, several joined by commas, or the lines of a file, `@FILE`.

    Raises:
        InputError: The file cannot be read or names no server, or an address is none of a server.
    """
    if base_url.startswith(_FILE):
        try:
            lines = Path(base_url.removeprefix(_FILE)).expanduser().read_text(encoding="utf-8").splitlines()
        except (OSError, ValueError) as error:
            raise InputError(f"base_url {base_url}: the file of servers cannot be read: {error}.") from error
        found = [line.strip() for line in lines]
        found = [line for line in found if line and not line.startswith("#")]
        if not found:
            raise InputError(f"base_url {base_url}: the file names no server; it has one address a line.")
    else:
        found = _NEXT.split(base_url)
    for address in found:
        read_address(address)
    return tuple(dict.fromkeys(found))


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


def _tokens(headers: dict[str, str]) -> list[str]:
    return [value.partition(" ")[2] for value in headers.values()]
