"""The table of problems, and the trees behind its rows.

Trees are most of a page, so they are compressed, in blocks of about half a megabyte of JSON; the page reads a block
when one of its problems is opened. Rows are kept as plain JSON.
"""

import base64
import zlib
from dataclasses import dataclass, field

from pydantic import SerializeAsAny

from critique_graph.core.schema import Record
from critique_graph.report.problems import Cell

BLOCK_BYTES = 512 * 1024
"""Bytes of JSON after which a block is closed."""


class Row(Record):
    """A problem, and how it went in each run; runs have a problem in common if id and question are the same."""

    id: str
    question: str | None
    """None if no run has a trace of it."""
    reference: str | None
    level: int | None
    cells: tuple[SerializeAsAny[Cell] | None, ...]


@dataclass
class Blocks:
    """Collects trees into blocks, and compresses each block once it is full."""

    closed: list[str] = field(default_factory=list)
    open: list[bytes] = field(default_factory=list)
    size: int = 0

    def add(self, tree: bytes) -> tuple[int, int]:
        """Add a tree, and give its block and its place there."""
        if self.open and self.size + len(tree) > BLOCK_BYTES:
            self.close()
        self.open.append(tree)
        self.size += len(tree)
        return len(self.closed), len(self.open) - 1

    def close(self) -> None:
        """Compress what was collected."""
        if self.open:
            packed = zlib.compress(b"[" + b",".join(self.open) + b"]", level=9)
            self.closed.append(base64.b64encode(packed).decode())
        self.open, self.size = [], 0
