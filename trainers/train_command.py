"""`critique-graph train`: a critic, an actor or another model, from data of `generate` or `self-talk`, or traces."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.table import Table

from critique_graph.core.settings import MODELS, OUTPUT
from critique_graph.engines.processes import find_processes
from critique_graph.output.terminal import Flag, log, plain, print_json, stdout
from critique_graph.trainers.model_card import evaluation_rows
from critique_graph.trainers.progress import TrainingProgress
from critique_graph.trainers.rows import TrainedTask
from critique_graph.trainers.settings import ReinforcementSettings, TrainSettings
from critique_graph.trainers.train_task import train_task


def train(
    task: TrainedTask,
    data: Path,
    /,
    *,
    model: Annotated[str, MODELS],
    out: Annotated[Path, OUTPUT],
    settings: Annotated[TrainSettings, Parameter(name="*")] = TrainSettings(),  # noqa: B008 - frozen
    reinforcement: Annotated[ReinforcementSettings, Parameter(name="*")] = ReinforcementSettings(),  # noqa: B008
    json: Annotated[Flag, OUTPUT] = False,
    quiet: Annotated[Flag, OUTPUT] = False,
) -> int:
    """Train a critic, a refiner or an actor with TRL. The same command again continues from the last checkpoint.

    Args:
        task: Task to learn: `critic`: to judge responses; `refiner`: to use critiques; `actor`: to solve; `preference`:
            DPO, to prefer correct refinements to the wrong responses; `critic-preference`: DPO, to prefer critiques
            that helped to other critiques of the same response; `kto` and `critic-kto`: KTO, towards correct responses,
            or critiques that agree and helped, and away from others, without pairs; `step-critic`: a classifier of
            steps, not a chat model; `self-talk`: to check every step after writing it, and correct it;
            `self-correction`: to write a whole response, then its critique, then a refinement; `critic-rl`: to judge,
            by reinforcement, on the responses of `--partner`. Models of `self-talk` and `self-correction` solve alone,
            as the actor of `run --rounds 0`.
        data: A run folder of `generate`, `self-talk` or `run`, the file of a data set, a traces.jsonl, a file of
            released MathCritique data, for `step-critic` a file with `steps` and `label` (the format of ProcessBench),
            or a file of rows from `export --to trl`, of which all are learned. For `critic-rl` a problem set, named
            like PROBLEMS of `run`.
        model: Model from which training starts: `hf:NAME_OR_PATH`, `miniature:actor`, `miniature:critic`.
        out: Folder of the trained model; use it as `hf:OUT` or `vllm:OUT`.
        json: Print the record of the training as one JSON object.
        quiet: Print the result alone, without progress.
    """
    is_first = find_processes().is_first
    with TrainingProgress(console=log, quiet=quiet or not is_first) as progress:
        done = train_task(task, data, model=model, out=out, progress=progress, **dict(settings), **dict(reinforcement))
    if not is_first:
        return 0
    if json:
        print_json(done.model_dump(mode="json"))
        return 0
    learned = f"loss {done.loss_first:.3f} -> {done.loss_last:.3f}"
    if done.reinforcement is not None:
        learned = f"reward {done.reinforcement.steps[0].reward:.2f} -> {done.reinforcement.steps[-1].reward:.2f}"
    rate = "" if done.learning_rate is None else f" at learning rate {done.learning_rate:g}"
    stdout.print(
        plain(
            f"{done.rows} rows, {learned} in {done.steps} steps{rate}, {done.tokens:,} tokens, {done.seconds:.0f} s on "
            f"{done.device}: {done.model}"
        ),
        style="bold",
    )
    if done.before is not None:
        table = Table("", "before", "after", box=None, pad_edge=False)
        for name, before, after in evaluation_rows(done):
            table.add_row(name, before, after)
        stdout.print(table)
    if done.reinforcement is not None:
        return 0
    if done.located_before is not None and done.located_after is not None:
        found = f"{done.located_before.percent()} -> {done.located_after.percent()}, n = {done.located_after.n}"
        stdout.print(plain(f"first wrong step found in held-out responses: {found}"))
        return 0
    from critique_graph.trainers.train import trl_command  # needs torch, which the training has loaded

    log.print(
        plain(f"nearly the same training with TRL alone: {trl_command(done, out, settings)}"),
        style="dim",
        soft_wrap=True,
    )
    return 0
