"""Settings of `critique-graph train`."""

from typing import Annotated, Literal

from pydantic import Field

from critique_graph.core.settings import DATA, MODELS, PROBLEMS, TRAINING, Settings
from critique_graph.trainers.selection import Balance

Weights = Literal["float32", "bfloat16"]


class TrainSettings(Settings):
    """Settings of `critique-graph train`. Learning rate, batch and epochs are the paper's for models of 8 billion."""

    learning_rate: Annotated[float | None, TRAINING] = Field(default=None, gt=0)
    """Peak learning rate; empty: 5e-6, or 1e-4 for adapters (ours)."""
    batch_size: Annotated[int, TRAINING] = Field(default=32, ge=1)
    """Number of rows per optimizer step."""
    rows_at_once: Annotated[int | None, TRAINING] = Field(default=None, ge=1)
    """Number of rows in memory at once, a divisor of the batch size; empty: as many as fit."""
    checkpointing: Annotated[bool | None, TRAINING] = None
    """Compute activations again in the backward pass, which takes less memory and a third more time; empty: where too
    few rows would fit otherwise."""
    dtype: Annotated[Weights | None, TRAINING] = None
    """Type of the weights while they are trained; empty: float32 where it fits, on CUDA else bfloat16."""
    optimizer: Annotated[str | None, TRAINING] = None
    """Name of an optimizer of transformers, such as adamw_torch_8bit or adafactor; empty: AdamW, whose states have 8
    bits beside bfloat16 weights."""
    epochs: Annotated[float, TRAINING] = Field(default=1.0, gt=0)
    """Number of passes over the rows."""
    max_steps: Annotated[int | None, TRAINING] = Field(default=None, ge=1)
    """Number of optimizer steps; empty: as many as the epochs take."""
    max_length: Annotated[int | None, TRAINING] = Field(default=None, ge=2)
    """Maximum number of tokens of a row; a longer one is an error, nothing is cut; empty: the model's context."""
    lora_rank: Annotated[int | None, TRAINING] = Field(default=None, ge=1)
    """Rank of the adapters to train and merge into the weights at the end; empty: all weights are trained."""
    reasoning: Annotated[bool, DATA] = False
    """Learn what was written before a critique, too, where a `critic` is trained. An annotator's reasoning may speak of
    its hints."""
    per_problem: Annotated[int, DATA] = Field(default=8, ge=1)
    """Maximum number of rows from one problem."""
    balance: Annotated[Balance, DATA] = "none"
    """How rows are balanced: as many rows of correct responses as of wrong ones (`verdict`), or of every level
    (`level`), as there are of the rarest."""
    eval: Annotated[str | None, PROBLEMS] = None
    """Problem set on which the loop is played before and after, named like PROBLEMS of `run`; empty: none."""
    eval_limit: Annotated[int | None, PROBLEMS] = Field(default=None, ge=1)
    """Maximum number of problems of that evaluation; empty: 100 of the miniature, all of a file."""
    partner: Annotated[str | None, MODELS] = None
    """Model of the other role in the evaluation: the actor where a critic is trained, else the critic."""
    seed: Annotated[int, TRAINING] = 0
    """Root seed: the choice of rows, their order and the evaluation's samples derive from it."""
