"""What is run, within which limits, and what came out."""

from typing import Literal

from pydantic import Field

from critique_graph.core.schema import Record
from critique_graph.core.settings import Settings

Status = Literal[
    "passed",
    "failed",  # a test, or the program before it
    "timed_out",
    "out_of_memory",
    "killed",  # it crashed, or its files or what it printed went over the limit
    "forbidden",  # it tried what the sandbox does not allow
    "unusable",  # nothing is known of the program: its tests cannot be run, no process started, or it was stopped
]


class Program(Record):
    """A program of a model, and the tests that judge it."""

    code: str
    """What the model wrote. The tests never run in its process."""
    tests: str
    """Statements of Python that raise an exception unless the program is correct."""
    names: tuple[str, ...]
    """Names that the program defines for the tests."""
    setup: str = ""
    """What the problem gives to both, such as imports and helpers; it runs before either."""


class Limits(Settings):
    """Limits of one run; the program and its tests have them each."""

    cpu_seconds: int = Field(default=5, ge=1)
    """Number of seconds of CPU time that a program may take."""
    wall_seconds: float = Field(default=30.0, gt=0)
    """Number of seconds after which a program that waits is ended; more than the CPU time, since a loaded machine is
    slow."""
    memory_bytes: int = Field(default=1 << 30, ge=1 << 27)
    """Number of bytes of a program's address space."""
    disk_bytes: int = Field(default=1 << 23, ge=0)
    """Number of bytes of the files that a program may hold in its folder, and of each of them."""


class Execution(Record):
    """How the tests of a program ended."""

    status: Status
    detail: str = ""
    """Why it has not passed, in one line: the failing statement of the tests, and what the last call gave or what was
    raised. After 500 characters it is cut off."""
    output: str = ""
    """The first 2,000 characters that the program printed, on either stream."""

    @property
    def has_passed(self) -> bool:
        return self.status == "passed"
