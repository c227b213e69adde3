"""Exceptions a caller may want to catch, and functions that describe an error in one line.

    CritiqueGraphError
    ├── InputError             a problem file, flag or setting that cannot be used   (CLI exit 2)
    ├── MissingDependencyError an extra that is not installed                        (CLI exit 2)
    ├── RunError               a run folder that cannot be used or written           (CLI exit 2)
    ├── NothingDoneError       a run that ended before any problem was finished
    └── ModelCallError         one model call failed for good; carries a `Failure`

A bad *model output* is never an exception: it is recorded as data.
"""

from critique_graph.core.schema import Failure
from critique_graph.core.secrets import redacted

_MOST_READ = 20_000
"""Number of characters of an error's text that are read."""


class CritiqueGraphError(Exception):
    """Base of every exception this package raises on purpose."""


class InputError(CritiqueGraphError):
    """A problem file, flag or setting that cannot be used; the message names the value and how to correct it."""


class MissingDependencyError(CritiqueGraphError):
    """A needed package is not installed; the message says what to install."""

    def __init__(self, package: str, *, extra: str, purpose: str, install: str | None = None) -> None:
        install = install or f'pip install "critique-graph[{extra}]"'
        super().__init__(f"{purpose} needs {package}: {install}")


class RunError(CritiqueGraphError):
    """A run folder that is locked, of another configuration, damaged or not writable."""


class NothingDoneError(CritiqueGraphError):
    """A run that ended before any problem was finished, where the result needs one."""

    def __init__(self, message: str, *, reason: str | None, exit_code: int) -> None:
        super().__init__(message if reason is None else f"{message}: {reason}")
        self.exit_code = exit_code


class ModelCallError(CritiqueGraphError):
    """A model call that failed for good (its retries are spent)."""

    def __init__(self, failure: Failure, *, can_retry: bool = True) -> None:
        super().__init__(f"{failure.kind}: {failure.message}")
        self.failure = failure
        self.can_retry = can_retry
        """False when repeating the call cannot help, whatever the kind, e.g. because its engine has ended."""


def first_line(error: Exception) -> str:
    """Give the first line of an error's message, or the name of its class if there is no message."""
    return redacted(next(iter(str(error).strip().splitlines()), type(error).__name__))


def one_line(text: str, limit: int = 500) -> str:
    """Give `text` as one storable and printable line of at most `limit` characters, without secrets."""
    unicode = redacted(text[:_MOST_READ]).encode("utf-8", "replace").decode()
    line = " ".join("".join(character if character.isprintable() else " " for character in unicode).split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"
