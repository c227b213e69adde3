"""One settings model a verb: the single source of its flags, its YAML and what its manifest records."""

from typing import Annotated, Literal

from cyclopts import Parameter
from pydantic import BaseModel, ConfigDict, Field, field_validator

from critique_graph.core.state import Context, GenerationContext, ImprovementContext, SelfTalkContext
from critique_graph.generate.quota import read_ratio
from critique_graph.problems.load import MINIATURE_LIMIT
from critique_graph.trainers.selection import Balance


class LoopSettings(Context):
    """What every verb that plays the loop can set."""

    actor: str = "miniature:actor"
    """Model that solves and refines: `miniature:actor`, `hf:PATH`, `openai:NAME`, `provider:name`."""
    critic: str = "miniature:critic"
    """Model that judges every step: `miniature:critic`, `hf:PATH`, `openai:NAME`, `provider:name`."""
    base_url: str | None = None
    """Server of the `openai:` models, e.g. http://127.0.0.1:8000/v1."""
    critic_base_url: str | None = None
    """Server of an `openai:` critic, where it is not the actor's."""


class ProblemSettings(BaseModel):
    """Which problems a verb works on, and how many at once."""

    problems: Annotated[str, Parameter(show=False)] = "miniature"
    """`miniature`, a JSONL, JSON, CSV or Parquet file, or `hf:owner/name[:config[:split]]`."""
    question_field: str | None = None
    """Column that holds the question, where it has an unusual name."""
    answer_field: str | None = None
    """Column that holds the reference answer, where it has an unusual name."""
    limit: Annotated[int | None, Parameter(alias="-n")] = Field(default=None, ge=1)
    """Most problems to run; empty: 100 of the miniature, all of a file."""
    concurrency: int = Field(default=64, ge=1)
    """Problems in flight at once."""

    @property
    def problem_limit(self) -> int | None:
        """The limit in force: the miniature's problems have no end of their own."""
        return self.limit or (MINIATURE_LIMIT if self.problems == "miniature" else None)


class TrainingProblemSettings(ProblemSettings):
    """Which problems a verb makes data from."""

    seed: int = 0
    exclude: tuple[str, ...] = ()
    """Sets one will test on, named like PROBLEMS: near copies of their problems are left out. Needs extra `data`."""
    distinct: bool = False
    """Leave out near copies of earlier problems. Needs the extra `data`."""


class RunSettings(LoopSettings, ProblemSettings):
    """Settings of `critique-graph run`."""


class CompareSettings(LoopSettings, ProblemSettings):
    """Settings of `critique-graph compare`. Every gate and vote is compared, on chains of the gate `always`."""

    samples: int = Field(default=8, ge=2, le=4096)
    """Chains of a problem's pool."""
    votes: int | None = Field(default=None, ge=1)
    """Samples for the votes without a critic, those of the chains included; empty: three for every chain, as in the
    paper's comparison."""
    rounds: int = Field(default=1, ge=1, le=100)
    """Critiques and refinements of every chain."""
    gate: Annotated[Literal["always"], Parameter(show=False)] = "always"
    vote: Annotated[Literal["majority"], Parameter(show=False)] = "majority"
    token_budget: Annotated[None, Parameter(show=False)] = None

    @property
    def all_votes(self) -> int:
        """The votes in force."""
        return max(self.samples, self.votes or 3 * self.samples)


class EvalCriticSettings(LoopSettings):
    """Settings of `critique-graph eval-critic`: one critique of one response."""

    sources: Annotated[tuple[str, ...], Parameter(show=False)] = ("miniature",)
    """Files of labelled responses, or `hf:owner/name[:config[:split]]`, or `miniature`."""
    actor: str = "miniature:actor"
    """Of `miniature`: model that writes the responses, `miniature:actor` or `hf:PATH`."""
    temperature: float = Field(default=0.7, ge=0, le=5)
    """Of `miniature`: the actor's."""
    limit: Annotated[int | None, Parameter(alias="-n")] = Field(default=None, ge=1)
    """Most responses of every file; empty: all of a file, 100 of the miniature."""
    concurrency: int = Field(default=64, ge=1)
    """Responses in flight at once."""
    samples: Annotated[Literal[1], Parameter(show=False)] = 1
    rounds: Annotated[Literal[1], Parameter(show=False)] = 1
    gate: Annotated[Literal["always"], Parameter(show=False)] = "always"
    vote: Annotated[Literal["first"], Parameter(show=False)] = "first"
    token_budget: Annotated[None, Parameter(show=False)] = None


class GenerateSettings(GenerationContext, TrainingProblemSettings):
    """Settings of `critique-graph generate`."""

    actor: str = "miniature:actor"
    """Model that samples, continues and refines: `miniature:actor`, `hf:PATH`, `vllm:PATH`, `openai:NAME`."""
    annotator: str = "miniature:annotator"
    """Model that writes the critiques, with the reference answer as a hint: `openai:NAME`, `vllm:PATH`, or
    `miniature:annotator`, which is exact, for the miniature's problems alone."""
    corruptor: str = "exact"
    """What inserts the errors of rg3: `exact`, which changes equations, or a model."""
    base_url: str | None = None
    """Server of the `openai:` models, e.g. http://127.0.0.1:8000/v1."""
    annotator_base_url: str | None = None
    """Server of an `openai:` annotator and corruptor, where it is not the actor's."""
    target: int | None = Field(default=None, ge=1)
    """Critiques to keep: no new problem is begun once there are so many; empty: all there are."""
    ratio: tuple[str, ...] = ()
    """Shares of strategies in the data set, e.g. `correct=0.3`; the other strategies share the rest as they come."""

    @field_validator("ratio")
    @classmethod
    def _check_ratio(cls, ratio: tuple[str, ...]) -> tuple[str, ...]:
        read_ratio(ratio)
        return ratio


class SelfTalkSettings(SelfTalkContext, TrainingProblemSettings):
    """Settings of `critique-graph self-talk`."""

    actor: str = "miniature:actor"
    """Model that solves and repairs: `miniature:actor`, `hf:PATH`, `vllm:PATH`, `openai:NAME`."""
    critic: str = "miniature:critic"
    """Model that judges every step: `miniature:critic`, `hf:PATH`, `vllm:PATH`, `openai:NAME`; or
    `miniature:annotator`, which is exact, for the miniature's problems alone."""
    smoother: str = "exact"
    """Model that rewrites the talk as one who thinks aloud, or `exact`: the critic's words as they stand."""
    base_url: str | None = None
    """Server of the `openai:` models, e.g. http://127.0.0.1:8000/v1."""
    critic_base_url: str | None = None
    """Server of an `openai:` critic and smoother, where it is not the actor's."""


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
    """`critic`: learn what the annotator wrote before the critique, too. It may speak of the hints."""
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


class ImproveSettings(ImprovementContext, ProblemSettings):
    """Settings of `critique-graph improve`."""

    actor: str = "miniature:actor"
    """Model to improve, which explores first: `miniature:actor`, `hf:PATH`, `vllm:PATH`."""
    critic: str = "miniature:critic"
    """Model that judges wrong responses, the same in every iteration; `none`: vanilla self-improvement."""
    base: str | None = None
    """Model that every training begins with; empty: the actor."""
    test_critic: str | None = None
    """Model that plays one round in the evaluations; empty: the critic; `none`: the actor is measured alone."""
    base_url: str | None = None
    """Server of an `openai:` critic, e.g. http://127.0.0.1:8000/v1."""
    validation: str | None = None
    """Problems by which the best iteration is chosen, named like PROBLEMS; empty: 200 of the miniature's own, of a file
    a tenth, which is not learned from."""
    test: str | None = None
    """Problems that are only measured; empty: 300 of the miniature's own, of a file none."""
    validation_limit: int | None = Field(default=None, ge=1)
    """Most of these for validation."""
    test_limit: int | None = Field(default=None, ge=1)
    """Most of these for test."""
