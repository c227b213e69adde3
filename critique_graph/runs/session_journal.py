"""What a session asks of the journal of its run: problems to work on, replies of the past, outcomes to keep.

Behind it stand the SQLite file of one process (`journal.py`) and a database that many share (`shared_journal.py`).
"""

import hashlib
from contextlib import AbstractContextManager
from typing import Protocol

from pydantic_core import PydanticSerializationError

from critique_graph.calls.caller import CallKey, CallLog
from critique_graph.core.errors import InputError
from critique_graph.core.schema import Problem
from critique_graph.runs.outcomes import Outcome, Status


class SessionJournal(CallLog, Protocol):
    """The journal of a run, as one session works with it."""

    @property
    def is_finished(self) -> bool:
        """Whether no problem is left to be taken, now or later."""
        ...

    @property
    def elsewhere(self) -> int:
        """Number of problems that other sessions settled while this one does not pass over them, as far as known."""
        ...

    async def take(self) -> tuple[int, Problem] | None:
        """Give the next problem with its 0-based place in the set, or None: then `is_finished`, or ask again."""
        ...

    def problem(self, problem: Problem, position: int) -> AbstractContextManager[Status]:
        """Open a problem that was taken, so that its calls can be recalled and recorded; gives its status so far."""
        ...

    async def settle(self, problem: Problem, outcome: Outcome, trace: bytes | None = None) -> bool:
        """Keep how a problem ended, durably; False if it is another process's by now, and the outcome was dropped."""
        ...


def place_of(key: CallKey) -> str:
    """Give the place of a call within its problem."""
    return f"{key.role}/{key.chain}/{key.round}"


def digest_of(problem: Problem) -> bytes:
    """Give a hash of everything about a problem that can change its trace.

    Raises:
        InputError: The problem is not valid Unicode.
    """
    try:
        return hashlib.sha256(problem.model_dump_json().encode()).digest()[:16]
    except PydanticSerializationError as error:
        raise InputError(f"problem {problem.id!r} is not valid Unicode: {error}.") from error
