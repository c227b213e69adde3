"""Shows the progress of a training on stderr."""

import time
from datetime import timedelta

from rich.console import Console
from rich.text import Text

from critique_graph.runs.progress import Progress


class TrainingProgress(Progress):
    """Shows the steps, the loss and the tokens of a training while it is entered."""

    def __init__(self, *, console: Console | None = None, quiet: bool = False) -> None:
        super().__init__(console=console, quiet=quiet)
        self._first: tuple[int, int] | None = None
        """Steps and tokens at the first report; they are not zero in a resumed training."""
        self._step = self._steps = self._read = 0
        self._loss: float | None = None

    def note(self, text: str) -> None:
        """Print lines that stay."""
        if not self._quiet:
            self._console.print(Text(text), style="dim", soft_wrap=True)

    def step(self, step: int, steps: int, loss: float, tokens: int) -> None:
        """Count an optimizer step."""
        if self._first is None:
            self._first, self._started = (step, tokens), time.monotonic()
        self._step, self._steps, self._loss, self._read = step, steps, loss, tokens
        self._print_now_and_then()

    def line(self) -> Text:
        """Give the current progress line."""
        if self._first is None or self._loss is None:
            return Text("loading")
        parts = [f"step {self._step}/{self._steps}", f"loss {self._loss:.4f}", f"{self._read:,} tokens"]
        steps, tokens = (now - first for now, first in zip((self._step, self._read), self._first, strict=True))
        seconds = time.monotonic() - self._started
        if steps and seconds > 0:
            left = timedelta(seconds=round((self._steps - self._step) * seconds / steps))
            parts += [f"{steps / seconds:.1f} steps/s", f"{tokens / seconds:,.0f} tokens/s", f"{left} left"]
        return Text(" · ".join(parts))
