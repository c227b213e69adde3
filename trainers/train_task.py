"""The function `train_task`, in a module that loads torch only when a training starts."""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from critique_graph.core.errors import InputError, MissingDependencyError
from critique_graph.engines.torch_companions import hide_unloadable
from critique_graph.trainers.model_card import Training
from critique_graph.trainers.progress import TrainingProgress
from critique_graph.trainers.rows import TrainedTask
from critique_graph.trainers.settings import ReinforcementSettings, TrainSettings

_ONLY_REINFORCEMENT = ReinforcementSettings.model_fields.keys()


def train_task(
    task: TrainedTask,
    data: Path | str,
    *,
    model: str,
    out: Path | str,
    progress: TrainingProgress | None = None,
    **settings: Any,
) -> Training:
    """Train a model for a task with TRL, as `critique-graph train` does.

    The same call again resumes, or gives the earlier result.

    Example:
        >>> training = train_task("critic", "runs/data", model="hf:PATH", out="models/critic", epochs=2)
        >>> training.model  # "hf:models/critic"

    Args:
        task: Task to learn: `critic`, `refiner`, `actor`, `preference`, `critic-preference`, `kto`, `critic-kto`,
            `step-critic`, `self-talk`, `self-correction`, or `critic-rl`, a critic by reinforcement.
        data: A run folder of `generate`, `self-talk` or `run`, the file of a data set, of released MathCritique data,
            of labelled steps or of exported rows; for `critic-rl` a problem set.
        model: Model from which training starts: `hf:NAME_OR_PATH`, `miniature:actor` or `miniature:critic`.
        out: Folder of the trained model; use it as `hf:OUT` or `vllm:OUT`.
        progress: Display of the progress; nothing is shown by default.
        settings: Fields of `TrainSettings`; for `critic-rl` also those of `ReinforcementSettings`.

    Raises:
        InputError: The data hold no rows, or rows that are too long; the tokenizer can have no chat template; `out`
            holds another training.
        DivergedError: The loss is no longer a finite number.
        NothingToLearnError: `critic-rl`: the critiques of every response are rewarded alike.
        RunError: A process of several ended early.
        RefinerError: `critic-rl`: the partner makes no refinements any more.
        RewardError: `critic-rl`: a reward failed or took too long.
        MissingDependencyError: The extra `train`, or the tool that the training is reported to, is not installed.
        pydantic.ValidationError: A setting is unknown or out of its range.
    """
    only = {name: settings.pop(name) for name in _ONLY_REINFORCEMENT & settings.keys()}
    chosen, reinforcement = TrainSettings(**settings), ReinforcementSettings(**only)
    if task != "critic-rl" and reinforcement != ReinforcementSettings():
        changed = sorted(name for name, value in ReinforcementSettings() if getattr(reinforcement, name) != value)
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in changed)
        raise InputError(f"{flags}: these are settings of critic-rl, and {task} has none of them.")
    is_shared = chosen.devices not in (None, 1) or chosen.accelerate_config is not None
    if is_shared and (task == "critic-rl" or "RANK" in os.environ):
        why = "critic-rl trains in one process" if task == "critic-rl" else "a launcher has started this process"
        raise InputError(f"{why}: leave --devices and --accelerate-config out.")
    if (tool := chosen.report_to) is not None and find_spec(tool) is None:
        raise MissingDependencyError(tool, extra="train", purpose=f"--report-to {tool}", install=f"pip install {tool}")
    try:
        hide_unloadable()  # before transformers and TRL are imported, which would not load
        from critique_graph.trainers.critic_rl import run_critic_rl
        from critique_graph.trainers.launch import launch_training
        from critique_graph.trainers.train import run_training
    except ImportError as error:
        raise MissingDependencyError(str(error.name), extra="train", purpose="train") from error
    shown = progress or TrainingProgress(quiet=True)
    if is_shared:
        done = launch_training(task, str(data), model, Path(out), chosen, progress=shown)
        if done is not None:
            return done
    if task == "critic-rl":
        return run_critic_rl(str(data), model, Path(out), chosen, reinforcement, on_note=shown.note, on_step=shown.step)
    return run_training(
        task,
        Path(data),
        model,
        Path(out),
        chosen,
        on_note=shown.note,
        on_step=shown.step,
    )
