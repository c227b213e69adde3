"""State and settings of the self-improvement graph."""

from typing import Any, Literal, NotRequired

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict


class SelfImproveInput(TypedDict):
    """What a caller of self-improvement gives."""

    out: str
    """Folder of all that is made; the same one again goes on where it was left."""


class SelfImproveState(SelfImproveInput):
    """What its stages pass on: names and records; models, traces and rows are in the folder."""

    index: NotRequired[int]
    """Of the iteration in hand; 0 is the start."""
    start: NotRequired[dict[str, Any] | None]
    """`Evaluation` of the actor it began with."""
    draft: NotRequired[dict[str, Any]]
    """What is known of the iteration in hand."""
    iterations: NotRequired[list[dict[str, Any]]]
    """`Iteration` records."""
    best: NotRequired[dict[str, Any]]
    end: NotRequired[dict[str, Any]]
    """How it ended: `state` (of a run) and `reason`."""


class SelfImproveOutput(TypedDict):
    """What a caller gets."""

    start: dict[str, Any] | None
    iterations: list[dict[str, Any]]
    best: dict[str, Any]
    end: dict[str, Any]


class ImprovementContext(BaseModel):
    """Settings of self-improvement. What is kept, and from what is trained, is by default as in the paper's scripts."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    iterations: int = Field(default=3, ge=1, le=100)
    """How often to explore, train and evaluate."""
    samples: int = Field(default=5, ge=1, le=1024)
    """Responses to every problem in an iteration (the scripts' example)."""
    refinements: int = Field(default=5, ge=1, le=1024)
    """Most refinements drawn with one critique; the first that is right is kept (in the scripts as many as samples)."""
    temperature: float = Field(default=0.7, ge=0, le=5)
    """Of both."""
    max_tokens: int = Field(default=1024, ge=1)
    """Most tokens of one response."""
    critic_max_tokens: int = Field(default=1536, ge=1)
    """Most tokens of one critique, its reasoning included."""
    distinct: bool = False
    """Learn equal rows once; else, as in the scripts, as often as they were written."""
    per_problem: int | None = Field(default=None, ge=1)
    """Most rows of one problem in an iteration; empty: no bound, as in the scripts."""
    balance: Literal["none", "level"] = "none"
    """`level`: as many rows of every level as there are of the rarest; ours."""
    feedback: bool = False
    """Learn to refine, too: problem, wrong response and critique, to the refinement that was kept."""
    previous: bool = False
    """Learn the rows of earlier iterations, too."""
    original: str | None = None
    """File of rows (`export --to trl`) that every iteration learns, too; empty: none."""
    train_from: Literal["base", "last"] = "base"
    """What every training begins with: the base, as in the scripts, or the model of the iteration before."""
    learning_rate: float | None = Field(default=None, gt=0)
    """Peak; empty: 5e-6, the scripts', or 1e-4 for adapters (ours)."""
    batch_size: int = Field(default=32, ge=1)
    """Rows per optimizer step."""
    rows_at_once: int | None = Field(default=None, ge=1)
    """Rows in memory at once, a divisor of the batch size; empty: all of these."""
    epochs: float = Field(default=1.0, gt=0)
    """Passes over the rows."""
    lora_rank: int | None = Field(default=None, ge=1)
    """Train adapters of this rank, and merge them into the weights; empty: all weights."""
    seed: int = 0
    """Every call's seed, the choice of rows and the trainings' order are derived from this."""
