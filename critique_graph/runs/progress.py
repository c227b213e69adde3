"""Shows a run's progress on stderr: one live line on a terminal, plain lines now and then elsewhere."""

import time
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import timedelta
from types import TracebackType
from typing import Any, Self, TypeVar

from rich.console import Console
from rich.live import Live
from rich.text import Text

from critique_graph.calls.traffic import Traffic
from critique_graph.output.terminal import log
from critique_graph.runs.outcomes import Outcome, Status

PLAIN_SECONDS = 10.0
"""Seconds between two lines where there is no terminal, while problems end."""
IDLE_SECONDS = 50.0
"""Seconds between two lines where there is no terminal, while no problem ends."""
clock = time.monotonic
Kind = TypeVar("Kind", bound="Progress")


class Progress:
    """Counts outcomes as they come in, and shows them while it is entered; it can show one run after another."""

    def __init__(self, *, console: Console | None = None, quiet: bool = False) -> None:
        self.total: int | None = None
        """Number of problems in the set; None where it is not known."""
        self._console = console or log
        self._quiet = quiet
        self._statuses: Counter[Status] = Counter()
        self._skipped = self._graded = self._first_correct = self._final_correct = self._tokens = 0
        self._elsewhere: int | None = None
        self.traffic = Traffic()
        """The calls of the run."""
        self._started = self._shown = clock()
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._started = self._shown = clock()
        self._statuses.clear()  # of an earlier run that it showed
        self._skipped = self._graded = self._first_correct = self._final_correct = self._tokens = 0
        self._elsewhere = None
        if self._console.is_terminal and not self._quiet:
            live = Live(get_renderable=self.line, console=self._console, redirect_stdout=False, refresh_per_second=4)
            self._stack.enter_context(live)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
        if not self._console.is_terminal:
            self._print()

    @property
    def ended(self) -> int:
        """Number of problems that ended, in this session or an earlier one, here or elsewhere."""
        return self._statuses.total() + (self._elsewhere or 0)

    def skip(self, status: Status) -> None:
        """Count a problem that an earlier session finished."""
        self._statuses[status] += 1
        self._skipped += 1

    def note_elsewhere(self, problems: int) -> None:
        """Count what other processes have ended so far; what they had when it is first called is no progress."""
        if self._elsewhere is None:
            self._skipped += problems
        self._elsewhere = problems

    def another(self, kind: type[Kind]) -> Kind:
        """Give a display of another kind, in the same place."""
        return kind(console=self._console, quiet=self._quiet)

    def update(self, outcome: Outcome, result: Mapping[str, Any] | None) -> None:
        """Count a problem that ended; `result` is the graph's result, or None where it gave none."""
        self._statuses[outcome.status] += 1
        if result is not None:
            roles = [usage for role, usage in result["usage"].items() if role != "total"]
            self._tokens += sum(usage["input_tokens"] + usage["output_tokens"] for usage in roles)
            self._count(result)
        self._print_now_and_then()

    def tick(self) -> None:
        """Print a line where there is no terminal and none was printed for a while, although no problem ended."""
        self._print_now_and_then(IDLE_SECONDS)

    def _print_now_and_then(self, pause: float | None = None) -> None:
        """Print a line where there is no terminal, if enough time has passed since the last one."""
        pause = PLAIN_SECONDS if pause is None else pause
        if clock() - self._shown >= pause and not self._console.is_terminal:
            self._print()

    def line(self) -> Text:
        """Give the current line."""
        ended = self.ended
        fresh, seconds = ended - self._skipped, clock() - self._started
        parts = [f"{ended}/{self.total if self.total is not None else '?'} problems"]
        parts += [f"{count} {status}" for status, count in self._statuses.items() if status != "done"]
        parts += self._findings()
        parts.append(f"{max(self._tokens, self.traffic.tokens):,} tokens")
        if self.traffic.in_flight:
            parts.append(f"{self.traffic.in_flight} calls in flight")
        if servers := self.traffic.servers:
            parts.append(f"{len(servers)} servers, {sum(calls.failed for calls in servers.values()):,} failures")
        if self.traffic.written and seconds > 0:
            parts.append(f"{_figure(self.traffic.written / seconds)} tokens/s written")
        if fresh and seconds > 0:
            parts.append(
                f"{fresh / seconds:.1f} problems/s" if fresh > seconds else f"{_figure(seconds / fresh)} s/problem"
            )
            if self.total is not None:
                left = timedelta(seconds=round((self.total - ended) * seconds / fresh))
                parts.append(f"{left} left")
        return Text(" · ".join(parts))

    def _findings(self) -> list[str]:
        """Say what was found so far."""
        if not self._graded:
            return []
        first, final = self._first_correct / self._graded, self._final_correct / self._graded
        return [f"accuracy {first:.1%} → {final:.1%}"]

    def _count(self, result: Mapping[str, Any]) -> None:
        """Count whether the first response and the final answer are correct, where both are graded."""
        first = ((result["chains"][0]["response"] or {}).get("grade") or {}).get("outcome")
        final = (result["grade"] or {}).get("outcome")
        if {first, final} <= {"correct", "incorrect"}:
            self._graded += 1
            self._first_correct += first == "correct"
            self._final_correct += final == "correct"

    def _print(self) -> None:
        self._shown = clock()
        if not self._quiet:
            self._console.print(self.line(), soft_wrap=True)


def _figure(number: float) -> str:
    return f"{number:,.0f}" if number >= 10 else f"{number:.1f}"
