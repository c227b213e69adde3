"""Settings of `critique-graph train`."""

from pydantic import BaseModel, ConfigDict, Field

from critique_graph.trainers.selection import Balance


class TrainSettings(BaseModel):
    """Settings of `critique-graph train`. Learning rate, batch and epochs are the paper's for models of 8 billion."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    learning_rate: float | None = Field(default=None, gt=0)
    """Peak; empty: 5e-6, or 1e-4 for adapters (ours)."""
    batch_size: int = Field(default=32, ge=1)
    """Rows per optimizer step."""
    rows_at_once: int | None = Field(default=None, ge=1)
    """Rows in memory at once, a divisor of the batch size: lower it when memory runs out; empty: all of these."""
    epochs: float = Field(default=1.0, gt=0)
    """Passes over the rows."""
    max_steps: int | None = Field(default=None, ge=1)
    """Optimizer steps; empty: as many as the epochs take."""
    max_length: int | None = Field(default=None, ge=2)
    """Most tokens of a row; longer ones are an error, nothing is cut; empty: the model's context."""
    lora_rank: int | None = Field(default=None, ge=1)
    """Train adapters of this rank, and merge them into the weights at the end; empty: all weights."""
    reasoning: bool = False
    """`critic`: learn what was written before the critique, too. An annotator's reasoning may speak of the hints."""
    per_problem: int = Field(default=8, ge=1)
    """Most rows of one problem."""
    balance: Balance = "none"
    """As many rows of right responses as of wrong ones, or of every level, as there are of the rarest."""
    eval: str | None = None
    """Problems to play before and after, named like PROBLEMS of `run`; empty: none."""
    eval_limit: int | None = Field(default=None, ge=1)
    """Most of these; empty: 100 of the miniature, all of a file."""
    partner: str | None = None
    """Model of the other role there: the actor where a critic is trained, else the critic."""
    seed: int = 0
    """Draws rows, their order, and the evaluation's samples."""
