"""One training, without loading torch before it is asked for."""

from pathlib import Path
from typing import Any

from critique_graph.core.errors import MissingDependencyError
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
    """Train a model for a task with TRL; the same call again goes on, or gives the result of before.

    What `critique-graph train` calls.

    Example:
        >>> training = train_task("critic", "runs/data", model="hf:PATH", out="models/critic", epochs=2)
        >>> training.model  # "hf:models/critic"

    Args:
        task: What is learned: `critic`, `refiner`, `actor`, `preference`, `critic-preference`, `step-critic`,
            `self-talk` or `self-correction`.
        data: A run folder of `generate`, `self-talk` or `run`, a data set's file, or a file of exported rows.
        model: Model to begin with: `hf:NAME_OR_PATH`, `miniature:actor` or `miniature:critic`.
        out: Folder of the trained model; use it as `hf:OUT` or `vllm:OUT`.
        progress: Shows how the training goes; nothing by default.
        settings: Fields of `TrainSettings`.

    Raises:
        InputError: The data hold no rows, or too long ones; the model has no chat template; `out` is of another
            training.
        DivergedError: The loss is no number any more.
        MissingDependencyError: The extra `train` is not installed.
        pydantic.ValidationError: A setting is unknown or out of its range.
    """
    chosen = TrainSettings(**settings)
    try:
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
        on_step=lambda report: progress.step(report.step, report.steps, report.loss, report.tokens),
    )
