"""State and settings of the self-improvement graph."""

from typing import Annotated, Any, Literal, NotRequired

from langgraph.managed import RemainingSteps
from pydantic import Field, PositiveInt
from typing_extensions import TypedDict

from critique_graph.core.settings import DATA, SAMPLING, TRAINING, Settings


class SelfImproveInput(TypedDict):
    """What a caller of self-improvement gives."""

    out: str
    """Folder of all that is made; the same one again goes on where it was left."""


class SelfImproveState(SelfImproveInput):
    """What its stages pass on: names and records; models, traces and rows are in the folder."""

    index: NotRequired[int]
    """Of the iteration in hand; 0 is the start."""
    start: NotRequired[dict[str, Any] | None]
    """`ActorEvaluation` of the actor it began with."""
    draft: NotRequired[dict[str, Any]]
    """What is known of the iteration in hand."""
    iterations: NotRequired[list[dict[str, Any]]]
    """`Iteration` records."""
    best: NotRequired[dict[str, Any]]
    end: NotRequired[dict[str, Any]]
    """How it ended: `state` (of a run) and `reason`."""
    remaining_steps: RemainingSteps
    """Number of super-steps that LangGraph's recursion limit leaves, with the one in hand."""


class SelfImproveOutput(TypedDict):
    """What a caller gets."""

    start: dict[str, Any] | None
    iterations: list[dict[str, Any]]
    best: dict[str, Any]
    end: dict[str, Any]


class ImprovementContext(Settings):
    """Settings of self-improvement. What is kept, and from what is trained, is by default as in the paper's scripts."""

    iterations: Annotated[int, SAMPLING] = Field(default=3, ge=1, le=100)
    """Number of iterations: in each one the actor explores, is trained and is evaluated."""
    samples: Annotated[int, SAMPLING] = Field(default=5, ge=1, le=1024)
    """Number of responses to every problem in an iteration (the scripts' example)."""
    refinements: Annotated[int, SAMPLING] = Field(default=5, ge=1, le=1024)
    """Maximum number of refinements drawn with one critique; the first correct one is kept (in the scripts as many as
    samples)."""
    critic_learns: Annotated[bool, TRAINING] = False
    """Train the critic in every iteration, too, with the settings of the actor's training: on its own critiques of what
    the actor wrote, as many of correct responses as of wrong ones."""
    temperature: Annotated[float, SAMPLING] = Field(default=0.7, ge=0, le=5)
    """Sampling temperature of responses and refinements while exploring, and of the critiques that a critic learns."""
    max_tokens: Annotated[int, SAMPLING] = Field(default=1024, ge=1)
    """Maximum number of tokens of one response."""
    critic_max_tokens: Annotated[int, SAMPLING] = Field(default=1536, ge=1)
    """Maximum number of tokens of one critique, its reasoning included."""
    distinct: Annotated[bool, DATA] = False
    """Learn equal rows once; by default, as in the scripts, as often as they were written."""
    per_problem: Annotated[int | None, DATA] = Field(default=None, ge=1)
    """Maximum number of rows from one problem in an iteration; empty: no bound, as in the scripts."""
    balance: Annotated[Literal["none", "level"], DATA] = "none"
    """How rows are balanced: `level`, as many rows of every level as there are of the rarest (ours); `none`, not."""
    feedback: Annotated[bool, DATA] = False
    """Learn to refine, too: from problem, wrong response and critique to the refinement that was kept."""
    previous: Annotated[bool, DATA] = False
    """Learn the rows of earlier iterations, too."""
    original: Annotated[str | None, DATA] = None
    """File of rows (`export --to trl`) that every iteration learns, too; empty: none."""
    train_from: Annotated[Literal["base", "last"], TRAINING] = "base"
    """Model that every training begins with: the base, as in the scripts, or the model of the iteration before."""
    learning_rate: Annotated[float | None, TRAINING] = Field(default=None, gt=0)
    """Peak learning rate; empty: by the model's size, from 5e-6 for 1 billion weights and more, the scripts', to 1e-4
    for 10 million and fewer; for adapters from 1e-4 to 1e-3 (ours)."""
    batch_size: Annotated[int, TRAINING] = Field(default=32, ge=1)
    """Number of rows per optimizer step."""
    rows_at_once: Annotated[int | None, TRAINING] = Field(default=None, ge=1)
    """Number of rows in memory at once, a divisor of the batch size; empty: as many as fit."""
    devices: Annotated[PositiveInt | Literal["auto"] | None, TRAINING] = None
    """Number of devices that share every training, as in `train`: a number, or `auto` for all; empty: one."""
    epochs: Annotated[float, TRAINING] = Field(default=1.0, gt=0)
    """Number of passes over the rows."""
    lora_rank: Annotated[int | None, TRAINING] = Field(default=None, ge=1)
    """Rank of the adapters to train and merge into the weights; empty: all weights are trained."""
    seed: Annotated[int, SAMPLING] = 0
    """Root seed: every call's seed, the choice of rows and the trainings' order derive from it."""
