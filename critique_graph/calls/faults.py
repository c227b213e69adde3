"""Classify an exception of a model call: its kind for the record, and whether a retry can help.

Model classes raise the exceptions of their own client libraries. They are recognised by attributes and class names that
the libraries share (the SDKs of OpenAI and Anthropic, httpx, requests, aiohttp), so that none has to be imported.
"""

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from json import JSONDecodeError

from critique_graph.core.errors import ModelCallError, one_line
from critique_graph.core.reasons import FailureKind

_RETRYABLE_KINDS: frozenset[FailureKind] = frozenset({"connection", "timeout", "server", "invalid_reply"})
_OUTAGE_KINDS: frozenset[FailureKind] = frozenset({"connection", "timeout", "server"})
_BUSY_STATUSES = frozenset({408, 409, 425, 429})
_REJECTED_STATUSES = frozenset({400, 413, 422})
_MAX_MESSAGE_CHARS = 300

_KINDS_BY_CLASS_NAME: dict[str, FailureKind] = {
    "ContextOverflowError": "rejected",  # from LangChain, also for servers that report it without a status
    "APIResponseValidationError": "invalid_reply",
    "RecursionError": "invalid_reply",  # JSON that is nested too deeply to read
    "APITimeoutError": "timeout",
    "TimeoutException": "timeout",  # httpx
    "Timeout": "timeout",  # requests
    "TimeoutError": "timeout",  # the builtin, and those of asyncio and aiohttp
    "APIConnectionError": "connection",
    "TransportError": "connection",  # httpx: refused, reset, broken protocol
    "ClientConnectionError": "connection",  # aiohttp
    "ConnectionError": "connection",  # the builtin, and that of requests
    "gaierror": "connection",
    "APIError": "server",  # an error event in a stream has no status
}
"""The first listed class of an exception's MRO decides; in the MRO, classes come before their bases."""


@dataclass(frozen=True)
class Fault:
    """A failed model call, as the retry layer sees it."""

    kind: FailureKind
    message: str
    """One line of text."""
    retryable: bool
    retry_after: float | None
    """Seconds that the server asked the caller to wait."""
    is_outage: bool = False
    """True if no work of the server's came back at all: with more such faults in a row, it is out."""
    is_busy: bool = False
    """True if the server is at work, and refused the call for now."""


def classify(error: BaseException) -> Fault:
    """Classify `error`, which a model call raised."""
    kind = _kind(error)
    retry_after = _retry_after(error)
    if isinstance(error, ModelCallError):
        is_retryable = error.can_retry and kind in _RETRYABLE_KINDS
        text = error.failure.message
    else:
        is_retryable = kind in _RETRYABLE_KINDS
        text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    is_busy = is_retryable and _status(error) in _BUSY_STATUSES
    is_outage = is_retryable and kind in _OUTAGE_KINDS and not is_busy
    return Fault(kind, one_line(text, limit=_MAX_MESSAGE_CHARS), is_retryable, retry_after, is_outage, is_busy)


def _kind(error: BaseException) -> FailureKind:
    if isinstance(error, ModelCallError):
        return error.failure.kind
    if isinstance(error, JSONDecodeError):
        return "setup" if is_web_page(error.doc) else "invalid_reply"
    if isinstance(error, UnicodeDecodeError | RecursionError):
        return "invalid_reply"
    status = _status(error)
    if status is not None and status >= 300:
        return kind_of_status(status)
    names = (base.__name__ for base in type(error).__mro__)
    return next((_KINDS_BY_CLASS_NAME[name] for name in names if name in _KINDS_BY_CLASS_NAME), "error")


def kind_of_status(status: int) -> FailureKind:
    """Give the kind of an HTTP status of 300 or more: only a few of them speak of the request itself."""
    if status >= 500 or status in _BUSY_STATUSES:
        return "server"
    return "rejected" if status in _REJECTED_STATUSES else "setup"


def is_web_page(text: str) -> bool:
    """Tell whether a reply is HTML, not JSON: a login page, or a page of a server for something else."""
    return text.lstrip("\ufeff \t\r\n").startswith("<")


def _status(error: BaseException) -> int | None:
    response = getattr(error, "response", None)
    holders = ((error, "status_code"), (response, "status_code"), (error, "status"), (error, "code"))
    for holder, name in holders:
        if isinstance(status := getattr(holder, name, None), int):
            return status
    return None


def _retry_after(error: BaseException) -> float | None:
    """Read the `Retry-After` header: a number of seconds, or a date."""
    headers = getattr(getattr(error, "response", None), "headers", None)
    value = headers.get("retry-after") if headers is not None else None
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(value).astimezone(UTC) - datetime.now(UTC)).total_seconds()
        except ValueError:
            return None
    return max(0.0, seconds) if math.isfinite(seconds) else None
