"""Which trainer learns the rows of a task, and how much the labels of its rows weigh in the loss."""

from collections.abc import Callable
from functools import partial
from typing import cast

from critique_graph.core.errors import InputError
from critique_graph.trainers.kto import train_kto
from critique_graph.trainers.label_weights import kto_weights, step_weights
from critique_graph.trainers.preference import train_preference
from critique_graph.trainers.rows import LABELLED, PREFERENCES, AnyRow, LabelledRow, Rows, StepRow, Task
from critique_graph.trainers.settings import TrainSettings
from critique_graph.trainers.sft import train_sft
from critique_graph.trainers.step_critic import train_step_critic
from critique_graph.trainers.trainer import SFTResult


def trainer_of(task: Task, *, is_balanced: bool) -> Callable[..., SFTResult]:
    """Give the function that trains a model for a task; `is_balanced` says whether step labels are weighted."""
    if task == "step-critic":
        return partial(train_step_critic, is_balanced=is_balanced)
    if task in LABELLED:
        return train_kto
    return train_preference if task in PREFERENCES else train_sft


def label_weights(task: Task, rows: Rows[AnyRow], settings: TrainSettings) -> dict[str, float] | None:
    """Give the weights of the labels of the rows, by name; None where the rows have none, or all labels weigh 1.

    Raises:
        InputError: All labels are of one kind, or the task has no labels to balance.
    """
    try:
        if task in LABELLED:
            return kto_weights(cast(Rows[LabelledRow], rows))
        if settings.label_weights is None:
            return None
        if task == "step-critic":
            return step_weights(cast(Rows[StepRow], rows))
    except ValueError as error:
        raise InputError(str(error)) from error
    raise InputError(f"--label-weights is a setting of step-critic: rows of {task} have no labels of steps.")
