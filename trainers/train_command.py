"""`critique-graph train`: a critic, an actor or another task, from data of `generate` or `self-talk`, or traces."""

import time
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table
from rich.text import Text

from critique_graph.core.errors import MissingDependencyError
from critique_graph.output.terminal import Flag, log, plain, print_json, stdout
from critique_graph.runs.progress import Progress
from critique_graph.trainers.rows import Task
from critique_graph.trainers.settings import TrainSettings


class TrainingProgress(Progress):
    """The same of a training: steps, loss, tokens."""

    def __init__(self, *, console: Console | None = None, quiet: bool = False) -> None:
        super().__init__(console=console, quiet=quiet)
        self._first: tuple[int, int] | None = None
        """Steps and tokens at the first report, of which a resumed training has some already."""
        self._step = self._steps = self._read = 0
        self._loss: float | None = None

    def step(self, step: int, steps: int, loss: float, tokens: int) -> None:
        """Count an optimizer step."""
        if self._first is None:
            self._first, self._started = (step, tokens), time.monotonic()
        self._step, self._steps, self._loss, self._read = step, steps, loss, tokens
        self._print_now_and_then()

    def line(self) -> Text:
        """Give the line as it stands."""
        if self._first is None or self._loss is None:
            return Text("loading")
        parts = [f"step {self._step}/{self._steps}", f"loss {self._loss:.4f}", f"{self._read:,} tokens"]
        steps, tokens = (now - first for now, first in zip((self._step, self._read), self._first, strict=True))
        seconds = time.monotonic() - self._started
        if steps and seconds > 0:
            left = timedelta(seconds=round((self._steps - self._step) * seconds / steps))
            parts += [f"{steps / seconds:.1f} steps/s", f"{tokens / seconds:,.0f} tokens/s", f"{left} left"]
        return Text(" · ".join(parts))


def train(
    task: Task,
    data: Path,
    /,
    *,
    model: str,
    out: Path,
    settings: Annotated[TrainSettings, Parameter(name="*")] = TrainSettings(),  # noqa: B008 - frozen
    json: Flag = False,
    quiet: Flag = False,
) -> int:
    """Train a critic, a refiner or an actor with TRL. The same command again goes on from the last checkpoint.

    Args:
        task: `critic`: to judge responses; `refiner`: to use critiques; `actor`: to solve; `preference`: DPO, to prefer
            right refinements over the responses they correct; `critic-preference`: DPO, to prefer critiques that helped
            over others of the same response; `step-critic`: a classifier of steps, no chat model; `self-talk`: to check
            every step once it is written, and put it right; `self-correction`: to write a whole response, then its
            critique, then a refinement. Both of these solve alone, as the actor of `run --rounds 0`.
        data: A run folder of `generate`, `self-talk` or `run`, a data set's file, a traces.jsonl, or a file of rows as
            `export --to trl` writes them, which are all taken.
        model: What to begin with: `hf:NAME_OR_PATH`, `miniature:actor`, `miniature:critic`.
        out: Folder of the trained model; use it as `hf:OUT` or `vllm:OUT`.
        json: Print what was done as one JSON object.
        quiet: No progress.
    """
    try:
        from critique_graph.engines.accelerators import find_processes
        from critique_graph.trainers.model_card import evaluation_rows
        from critique_graph.trainers.train import train_task, trl_command
    except ImportError as error:
        raise MissingDependencyError(str(error.name), extra="train", purpose="train") from error
    is_first = find_processes().is_first
    with TrainingProgress(console=log, quiet=quiet or not is_first) as progress:
        done = train_task(
            task,
            data,
            model,
            out,
            settings,
            on_step=lambda report: progress.step(report.step, report.steps, report.loss, report.tokens),
        )
    if not is_first:
        return 0
    if json:
        print_json(done.model_dump(mode="json"))
        return 0
    stdout.print(
        plain(
            f"{done.rows} rows, loss {done.loss_first:.3f} -> {done.loss_last:.3f} in {done.steps} steps, "
            f"{done.tokens:,} tokens, {done.seconds:.0f} s on {done.device}: {done.model}"
        ),
        style="bold",
    )
    if done.before is not None:
        table = Table("", "before", "after", box=None, pad_edge=False)
        for name, before, after in evaluation_rows(done):
            table.add_row(name, before, after)
        stdout.print(table)
    if done.located_before is not None and done.located_after is not None:
        found = f"{done.located_before.percent()} -> {done.located_after.percent()}, n = {done.located_after.n}"
        stdout.print(plain(f"first wrong step found, of held-out responses: {found}"))
        return 0
    log.print(plain(f"much the same with TRL alone: {trl_command(done, out, settings)}"), style="dim", soft_wrap=True)
    return 0
