"""The function `train_task`, in a module that loads torch only when a training starts."""

from pathlib import Path
from typing import Any

from critique_graph.core.errors import MissingDependencyError
from critique_graph.engines.torch_companions import hide_unloadable
from critique_graph.trainers.model_card import Training
from critique_graph.trainers.progress import TrainingProgress
from critique_graph.trainers.rows import Task
from critique_graph.trainers.settings import TrainSettings


def train_task(
    task: Task,
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
        task: Task to learn: `critic`, `refiner`, `actor`, `preference`, `critic-preference`, `step-critic`,
            `self-talk` or `self-correction`.
        data: A run folder of `generate`, `self-talk` or `run`, the file of a data set, of released MathCritique data,
            of labelled steps or of exported rows.
        model: Model from which training starts: `hf:NAME_OR_PATH`, `miniature:actor` or `miniature:critic`.
        out: Folder of the trained model; use it as `hf:OUT` or `vllm:OUT`.
        progress: Display of the progress; nothing is shown by default.
        settings: Fields of `TrainSettings`.

    Raises:
        InputError: The data hold no rows, or rows that are too long; the model has no chat template; `out` holds
            another training.
        DivergedError: The loss is no longer a finite number.
        MissingDependencyError: The extra `train` is not installed.
        pydantic.ValidationError: A setting is unknown or out of its range.
    """
    chosen = TrainSettings(**settings)
    try:
        hide_unloadable()  # before transformers and TRL are imported, which would not load
        from critique_graph.trainers.train import run_training
    except ImportError as error:
        raise MissingDependencyError(str(error.name), extra="train", purpose="train") from error
    if progress is None:
        return run_training(task, Path(data), model, Path(out), chosen)
    return run_training(
        task,
        Path(data),
        model,
        Path(out),
        chosen,
        on_plan=lambda plan: progress.note(plan.describe()),
        on_step=lambda report: progress.step(report.step, report.steps, report.loss, report.tokens),
    )
