"""Lines of a table of what was checked."""

from collections.abc import Iterable
from typing import NamedTuple


class Line(NamedTuple):
    """One thing that was checked."""

    what: str
    figure: str
    is_met: bool
    """True if the figure is as it should be."""


def print_lines(lines: Iterable[Line]) -> int:
    """Print lines as a Markdown table; gives how many are not as they should be."""
    print("| what | figure | as it should be |\n|---|---|---|")
    failures = 0
    for line in lines:
        failures += not line.is_met
        print(f"| {line.what} | {line.figure} | {'yes' if line.is_met else 'NO'} |")
    return failures
