"""Progress of a run that makes critique data."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from rich.console import Console

from critique_graph.runs.progress import Progress


class DataProgress(Progress):
    """Progress that shows how many critiques were kept, by strategy."""

    def __init__(self, *, console: Console | None = None, quiet: bool = False) -> None:
        super().__init__(console=console, quiet=quiet)
        self._kept: Counter[str] = Counter()
        self._made = 0

    def _count(self, result: Mapping[str, Any]) -> None:
        self._made += len(result["paths"])
        self._kept.update(path["strategy"] for path in result["paths"] if path["drop"] is None)

    def _findings(self) -> list[str]:
        by_strategy = ", ".join(f"{name} {count}" for name, count in sorted(self._kept.items()))
        return [f"{self._kept.total()} of {self._made} paths kept" + (f" ({by_strategy})" if by_strategy else "")]
