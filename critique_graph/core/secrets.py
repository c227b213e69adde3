"""Keep secrets out of files and messages: credentials in servers' addresses, and API keys that servers repeat.

A secret that this process knows (`remember`, environment) is hidden wherever it stands; others by their form.
"""

import logging
import os
import re

HIDDEN = "***"
"""Stands in the place of a secret."""
_SHORTEST = 4
"""Shorter secrets are hidden in addresses alone: elsewhere they may be parts of words."""
_NAMES = ("_KEY", "_TOKEN", "_SECRET", "_PASSWORD")
"""Ends of the names of environment variables that hold secrets."""

_ADDRESS = re.compile(r"\b[a-zA-Z][a-zA-Z0-9+.-]{0,20}://(?:(?!,https?://)[^\s'\"<>])+")
_USER = re.compile(r"[^\s'\"/@:]{1,100}:(?!//)[^\s'\"@]{1,100}@(?=[\w\[])")
_KEY = re.compile(r"\b(?:sk|pk|rk|gsk|hf|xai|nvapi)[-_](?=[\w-]{0,99}[A-Z\d*])[\w*-]{6,}")
_LABELLED = re.compile(
    r"((?:api[ _-]?key|access[ _-]?token|bearer(?: token)?|authorization|password)(?: provided)?"
    r"['\"]?\s{0,5}[:=]\s{0,5}['\"]?(?:(?:Bearer|Basic|Token)\s{1,5})?"
    r"|\b(?:Bearer|Basic)\s{1,5}(?=[^\s]*\d))[^\s'\",;]+",
    re.IGNORECASE,
)
_known: set[str] = set()


def remember(*secrets: str) -> None:
    """Hide these secrets from now on, wherever they stand in a text that goes through `redacted`."""
    _known.update(secret for secret in secrets if len(secret) >= _SHORTEST)
    for client in ("httpx", "httpx2"):  # they log the address of every request
        logging.getLogger(client).addFilter(_redact_record)


def redacted(text: str) -> str:
    """Give the text with `HIDDEN` in the place of every secret."""
    if len(text) < _SHORTEST:
        return text
    for secret in sorted(_known | _secrets_of_environment(len(text)), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    text = _ADDRESS.sub(lambda found: _hide_in_address(found[0]), text)
    text = _USER.sub(f"{HIDDEN}@", text)
    text = _KEY.sub(HIDDEN, text)
    return _LABELLED.sub(rf"\1{HIDDEN}", text)


def _secrets_of_environment(longest: int) -> set[str]:
    """Give the secrets in the environment of at most so many characters; a short text can hold none."""
    if longest <= 2 * _SHORTEST:
        return set()
    return {
        value for name, value in os.environ.items() if name.endswith(_NAMES) and 2 * _SHORTEST < len(value) <= longest
    }


def _hide_in_address(address: str) -> str:
    address = re.sub(r"://.*@", f"://{HIDDEN}@", address)
    place, mark, query = address.partition("?")
    place, hash_mark, _ = place.partition("#")
    if mark:
        names = [part.partition("=") for part in query.split("&")]
        query = "&".join(f"{name}={HIDDEN}" if equals else HIDDEN for name, equals, _ in names)
    return f"{place}{f'#{HIDDEN}' if hash_mark else ''}{mark}{query}"


def _redact_record(record: logging.LogRecord) -> bool:
    record.msg, record.args = redacted(record.getMessage()), ()
    return True
