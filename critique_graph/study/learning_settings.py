"""What the parts with trained actors add to the settings of a study."""

from typing import Annotated, Any, Literal

from cyclopts import Parameter
from pydantic import Field

from critique_graph.core.settings import PROBLEMS, SAMPLING, TRAINING, Settings

LearningPart = Literal["training", "self_talk"]
MINIATURE_RECIPES: dict[LearningPart, dict[str, Any]] = {
    "training": {"learning_rate": 1e-4, "batch_size": 16, "epochs": 2.0},
    "self_talk": {"learning_rate": 1e-3, "batch_size": 32, "epochs": 4.0},
}
"""Settings of trainings that suit the miniature's actor. That of `self_talk` is the benchmark's. For `training`, rates
were compared on 300 validation problems (seed 11), after training on 170 correct responses to 200 problems: 68.0 %
before, 69.0 % with 1e-4, 65.0 % with 3e-4."""


class LearningSettings(Settings):
    """What the parts `training` and `self_talk` add to the settings of a study."""

    train: Annotated[str | None, PROBLEMS] = None
    """Problem set that `training` and `self_talk` learn from, named like PROBLEMS; empty: the miniature's own training
    problems; beside any other set, these parts are left out without it."""
    train_limit: Annotated[int | None, PROBLEMS] = Field(default=None, ge=1)
    """Maximum number of problems to learn from; empty: of the miniature 200 in `training` and 400 in `self_talk`, of
    another set all."""
    iterations: Annotated[int, SAMPLING] = Field(default=3, ge=1, le=100)
    """Number of iterations of self-improvement in `training`."""
    explored: Annotated[tuple[Annotated[int, Field(ge=1)], ...], SAMPLING, Parameter(negative="")] = Field(
        default=(2, 4), min_length=1
    )
    """Numbers of responses per problem and iteration with which `training` repeats self-improvement, one a flag; the
    table of trained actors takes the last number."""
    refinements: Annotated[int, SAMPLING] = Field(default=4, ge=1, le=1024)
    """Maximum number of refinements that self-improvement draws with one critique."""
    talk_samples: Annotated[int, SAMPLING] = Field(default=8, ge=2, le=1024)
    """Number of responses per problem from which `self_talk` gives pass@k and maj@k."""
    learning_rate: Annotated[float | None, TRAINING] = Field(default=None, gt=0)
    """Peak learning rate of every training; empty: as in `train`; of the miniature 1e-4, and 1e-3 in `self_talk`."""
    batch_size: Annotated[int | None, TRAINING] = Field(default=None, ge=1)
    """Number of rows per optimizer step; empty: 32; of the miniature 16 in `training`."""
    rows_at_once: Annotated[int | None, TRAINING] = Field(default=None, ge=1)
    """Number of rows in memory at once, a divisor of the batch size; empty: as many as fit."""
    epochs: Annotated[float | None, TRAINING] = Field(default=None, gt=0)
    """Number of passes over the rows; empty: 1, the paper's; of the miniature 2, and 4 in `self_talk`."""
    lora_rank: Annotated[int | None, TRAINING] = Field(default=None, ge=1)
    """Rank of the adapters to train and merge into the weights; empty: all weights are trained."""


def recipe(settings: LearningSettings, actor: str, part: LearningPart) -> dict[str, Any]:
    """Give the settings of a part's trainings."""
    named = settings.model_dump(include={"learning_rate", "batch_size", "rows_at_once", "epochs", "lora_rank"})
    chosen = {name: value for name, value in named.items() if value is not None}
    if not actor.startswith("miniature:") or settings.lora_rank is not None:
        return chosen
    return MINIATURE_RECIPES[part] | chosen
