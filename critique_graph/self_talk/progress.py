"""Progress of a run that makes self-talk."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console

from critique_graph.runs.progress import Progress


class TalkProgress(Progress):
    """Progress that shows how many talks were kept, and how many of them have repairs."""

    def __init__(self, *, console: Console | None = None, quiet: bool = False) -> None:
        super().__init__(console=console, quiet=quiet)
        self._kept = self._repaired = self._made = 0

    def _count(self, result: Mapping[str, Any]) -> None:
        kept = [talk for talk in result["talks"] if talk["drop"] is None]
        self._made += len(result["talks"])
        self._kept += len(kept)
        self._repaired += sum(len(talk["chain"]["rounds"]) > 1 for talk in kept)

    def _findings(self) -> list[str]:
        return [f"{self._kept} of {self._made} talks kept, {self._repaired} of them repaired"]
