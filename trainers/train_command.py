"""`critique-graph train`: a critic, an actor or another task, from data of `generate` or `self-talk`, or traces."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.table import Table

from critique_graph.calls.settings import TrainSettings
from critique_graph.core.errors import MissingDependencyError
from critique_graph.output.terminal import Flag, log, print_json, stdout
from critique_graph.runs.progress import TrainingProgress
from critique_graph.solve.live import plain
from critique_graph.solve.table import percent
from critique_graph.trainers.rows import Task


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
        from critique_graph.trainers.train import evaluation_rows, train_task, trl_command
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
        found = f"{percent(done.located_before)} -> {percent(done.located_after)}, n = {done.located_after.n}"
        stdout.print(plain(f"first wrong step found, of held-out responses: {found}"))
        return 0
    log.print(plain(f"much the same with TRL alone: {trl_command(done, out, settings)}"), style="dim", soft_wrap=True)
    return 0
