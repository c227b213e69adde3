"""What the command line gives to the rooms below it, which do not import it.

All of it is None in a program that imports this package.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NoReturn, Protocol


class Reporter(Protocol):
    """Writes the page of a run."""

    def check(self) -> None:
        """Check that pages can be written."""
        ...

    def write(self, folder: Path) -> None:
        """Write the page into the folder of a run."""
        ...


load_reporter: Callable[[], Reporter] | None = None
"""Gives what writes pages; a page needs the verbs, which need the rooms that ask for one."""
end_process: Callable[[], NoReturn] | None = None
"""Ends the process if closing takes too long. What has finished is in the journal."""
