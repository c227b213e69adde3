"""Shows the progress of a training on stderr."""

import time
from dataclasses import dataclass
from datetime import timedelta

from rich.console import Console
from rich.text import Text

from critique_graph.runs.progress import Progress


@dataclass(frozen=True)
class StepReport:
    """Progress of a training after an optimizer step."""

    step: int
    steps: int
    loss: float
    """Mean loss per learned token in this step."""
    tokens: int
    """Number of tokens that the model has read so far."""
    reward: float | None = None
    """Mean reward in this step, where a critic learns by reinforcement."""


class TrainingProgress(Progress):
    """Shows the steps, the loss and the tokens of a training while it is entered."""

    def __init__(self, *, console: Console | None = None, quiet: bool = False) -> None:
        super().__init__(console=console, quiet=quiet)
        self._first: StepReport | None = None
        """The first report; its steps and tokens are not zero in a resumed training."""
        self._last: StepReport | None = None

    def note(self, text: str) -> None:
        """Print lines that stay."""
        if not self._quiet:
            self._console.print(Text(text), style="dim", soft_wrap=True)

    def hand_over(self) -> bool:
        """Show nothing more, as another process will; gives whether that one should be quiet."""
        self._stack.close()
        was_quiet, self._quiet = self._quiet, True
        return was_quiet

    def step(self, report: StepReport) -> None:
        """Count an optimizer step."""
        if self._first is None:
            self._first, self._started = report, time.monotonic()
        self._last = report
        self._print_now_and_then()

    def line(self) -> Text:
        """Give the current progress line."""
        first, last = self._first, self._last
        if first is None or last is None:
            return Text("loading")
        found = f"loss {last.loss:.4f}" if last.reward is None else f"reward {last.reward:.2f}"
        parts = [f"step {last.step}/{last.steps}", found, f"{last.tokens:,} tokens"]
        steps, tokens = last.step - first.step, last.tokens - first.tokens
        seconds = time.monotonic() - self._started
        if steps and seconds > 0:
            left = timedelta(seconds=round((last.steps - last.step) * seconds / steps))
            parts += [f"{steps / seconds:.1f} steps/s", f"{tokens / seconds:,.0f} tokens/s", f"{left} left"]
        return Text(" · ".join(parts))
