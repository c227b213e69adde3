"""Settings of `critique-graph train`."""

from typing import Annotated, Literal, Self

from cyclopts import Parameter
from pydantic import Field, PositiveInt, model_validator

from critique_graph.core.settings import (
    DATA,
    MODELS,
    PROBLEMS,
    REINFORCEMENT,
    TRAINING,
    ServerAddress,
    Settings,
)
from critique_graph.trainers.selection import Balance
from critique_graph.verbs.settings import CallSettings

Weights = Literal["float32", "bfloat16", "nf4"]
LabelWeights = Literal["balanced"]
Estimator = Literal["grpo", "rloo"]
Logger = Literal["mlflow", "trackio", "wandb"]
"""Tools that transformers reports a training to."""

LAUNCH = ("devices", "accelerate_config")
"""Settings that say which processes share a training, and not what it learns."""


class TrainSettings(Settings):
    """Settings of `critique-graph train`. Batch and epochs are the paper's, whose models have 8 billion weights."""

    learning_rate: Annotated[float | None, TRAINING] = Field(default=None, gt=0)
    """Peak learning rate; empty: by the model's size, from 5e-6 for 1 billion weights and more, the paper's, to 1e-4
    for 10 million and fewer; for adapters from 1e-4 to 1e-3 (ours); a tenth of these in `critic-rl`."""
    batch_size: Annotated[int, TRAINING] = Field(default=32, ge=1)
    """Number of rows per optimizer step."""
    rows_at_once: Annotated[int | None, TRAINING] = Field(default=None, ge=1)
    """Number of rows in memory at once, a divisor of the batch size; empty: as many as fit."""
    checkpointing: Annotated[bool | None, TRAINING] = None
    """Compute activations again in the backward pass, which takes less memory and a third more time; empty: where too
    few rows would fit otherwise."""
    dtype: Annotated[Weights | None, TRAINING] = None
    """Type of the weights while they are trained; empty: float32 where it fits, on CUDA else bfloat16. Beneath adapters
    (--lora-rank), they can be held in 4 bits: nf4, by bitsandbytes (QLoRA)."""
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
    report_to: Annotated[Logger | None, TRAINING] = None
    """Tool that the loss of every step is reported to while the training runs: MLflow, Trackio or Weights & Biases;
    empty: none. Where the tool sends it, its own environment variables say."""
    devices: Annotated[PositiveInt | Literal["auto"] | None, TRAINING] = None
    """Number of devices that share the training, each with a process of its own; `auto`: all GPUs or NPUs of the
    machine; empty: one. Where there are none, the processes share the CPU. The batch size stays the same."""
    accelerate_config: Annotated[str | None, TRAINING] = None
    """Configuration of accelerate, for FSDP, DeepSpeed or several machines: a YAML file, or the name of one that TRL
    ships, such as `fsdp2` or `zero3`; empty: every device holds the whole model."""
    reasoning: Annotated[bool, DATA] = False
    """Learn what was written before a critique, too, where a `critic` is trained. An annotator's reasoning may speak of
    its hints."""
    per_problem: Annotated[int, DATA] = Field(default=8, ge=1)
    """Maximum number of rows from one problem."""
    balance: Annotated[Balance, DATA] = "none"
    """How rows are balanced: as many rows of correct responses as of wrong ones (`verdict`), or of every level
    (`level`), as there are of the rarest."""
    label_weights: Annotated[LabelWeights | None, TRAINING] = None
    """How steps weigh in the loss of a `step-critic`: correct ones and wrong ones alike in all (`balanced`), so that
    rare wrong steps count as much; empty: every step weighs 1. Rows of `kto` and `critic-kto` are always balanced."""
    eval: Annotated[str | None, PROBLEMS] = None
    """Problem set on which the loop is played before and after, named like PROBLEMS of `run`; empty: none."""
    eval_limit: Annotated[int | None, PROBLEMS] = Field(default=None, ge=1)
    """Maximum number of problems of that evaluation; empty: 100 of the miniature, all of a file."""
    partner: Annotated[str | None, MODELS] = None
    """Model of the other role in the evaluation: the actor where a critic is trained, else the critic."""
    seed: Annotated[int, TRAINING] = 0
    """Root seed: the choice of rows, their order and the evaluation's samples derive from it."""

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if self.dtype == "nf4" and self.lora_rank is None:
            raise ValueError("weights of 4 bits (dtype nf4) are not trained themselves: set lora_rank, too")
        return self


class ReinforcementSettings(CallSettings):
    """Settings of `critique-graph train critic-rl`. The defaults are ours, but for `beta`, which is Critique-RL's."""

    estimator: Annotated[Estimator, REINFORCEMENT] = "grpo"
    """Trainer of TRL, by its estimate of how good a critique is: `grpo`, by the mean and the spread of the critiques of
    one response; `rloo`, by the mean of the others, as in Critique-RL."""
    discriminability_steps: Annotated[int, REINFORCEMENT] = Field(default=100, ge=0)
    """Number of optimizer steps of the first stage, in which correct verdicts are rewarded; 500 in Critique-RL."""
    helpfulness_steps: Annotated[int, REINFORCEMENT] = Field(default=100, ge=0)
    """Number of optimizer steps of the second stage, in which correct refinements by the partner are rewarded."""
    generations: Annotated[int, REINFORCEMENT] = Field(default=8, ge=2)
    """Number of critiques of one response that are compared, a divisor of the batch size; 4 in Critique-RL."""
    temperature: Annotated[float, REINFORCEMENT] = Field(default=1.0, gt=0, le=5)
    """Sampling temperature of the critiques; 0.7 in Critique-RL. Where all critiques of a response are rewarded alike,
    nothing can be learned: raise it then."""
    beta: Annotated[float, REINFORCEMENT] = Field(default=0.01, ge=0)
    """Weight of the penalty on the KL divergence from the start model; 0: no penalty."""
    critique_tokens: Annotated[int, REINFORCEMENT] = Field(default=1536, ge=1)
    """Maximum number of tokens of one critique, its reasoning included; fewer where the context has less room."""
    refinements: Annotated[int, REINFORCEMENT] = Field(default=1, ge=1)
    """Number of refinements per critique in the second stage."""
    refine_temperature: Annotated[float | None, REINFORCEMENT] = Field(default=None, ge=0, le=5)
    """Sampling temperature of the refinements; empty: 0 for one, 0.7 for several."""
    evaluate_every: Annotated[int, REINFORCEMENT] = Field(default=50, ge=1)
    """Number of optimizer steps between two checkpoints, each with an evaluation on held-out problems."""
    reward_timeout: Annotated[float, REINFORCEMENT] = Field(default=1800.0, gt=0)
    """Longest time in seconds that the rewards of one step may take before the training ends with an error."""
    vllm_server: Annotated[ServerAddress | None, REINFORCEMENT] = None
    """Address of a server of TRL (`trl vllm-serve`) that generates the critiques; empty: the trainer does it."""
    limit: Annotated[int | None, Parameter(alias="-n"), PROBLEMS] = Field(default=None, ge=1)
    """Maximum number of problems to learn from; empty: 100 of the miniature, all of a file."""
    responses: Annotated[int, REINFORCEMENT] = Field(default=4, ge=1, le=4096)
    """Number of responses per problem that the partner writes; correct and wrong ones are judged in equal numbers."""
    response_temperature: Annotated[float, REINFORCEMENT] = Field(default=1.0, ge=0, le=5)
    """Sampling temperature of the responses that the critic judges."""
    max_tokens: Annotated[int, REINFORCEMENT] = Field(default=1024, ge=1)
    """Maximum number of tokens of one response or refinement of the partner."""

    @property
    def steps(self) -> int:
        """Number of optimizer steps of both stages."""
        return self.discriminability_steps + self.helpfulness_steps

    @property
    def refiner_temperature(self) -> float:
        """The temperature of refinements in force: several greedy ones would be copies of one."""
        if self.refine_temperature is not None:
            return self.refine_temperature
        return 0.0 if self.refinements == 1 else 0.7
