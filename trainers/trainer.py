"""What the trainings of all tasks have in common: settings, the arguments of their trainers, the run, its record."""

import json
import logging
import sys
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from math import isfinite
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from datasets import Dataset
from torch.optim import Optimizer
from transformers import (
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PrinterCallback,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from transformers.trainer import TRAINER_STATE_NAME
from transformers.training_args import OptimizerNames

from critique_graph.core.errors import CritiqueGraphError, MissingDependencyError
from critique_graph.engines.accelerators import find_accelerator
from critique_graph.engines.processes import find_processes
from critique_graph.trainers.large_blocks import return_large_blocks
from critique_graph.trainers.muon import MuonWithAdamW
from critique_graph.trainers.progress import StepReport
from critique_graph.trainers.quantized import merged

logger = logging.getLogger(__name__)
_TORCHAO = ("adamw_torch_8bit", "adamw_torch_4bit")
"""Optimizers of torchao, by transformers' names."""


@dataclass(frozen=True)
class SFTSettings:
    """Settings of a training; the defaults suit fine-tuning of a pretrained model."""

    learning_rate: float = 1e-5
    """Peak learning rate, reached after the warm-up; a cosine schedule then lowers it to a tenth."""
    batch_size: int = 32
    """Number of rows per optimizer step."""
    epochs: float = 1.0
    """Number of passes over the rows; ignored when `max_steps` is given."""
    max_steps: int | None = None
    """Number of optimizer steps; None derives it from `epochs`."""
    warmup: float = 0.05
    """Share of the steps over which the learning rate rises."""
    weight_decay: float = 0.0
    optimizer: str = "adamw"
    """`adamw`: the fastest of the device; `muon`, which suits training from scratch (see `muon.py`); or any name of
    transformers' `OptimizerNames`."""
    max_length: int | None = None
    """Maximum number of tokens of a row; None takes the model's context length."""
    use_cpu: bool = False
    """Train on the CPU even if there is an accelerator."""
    rows_at_once: int | None = None
    """Number of rows in memory at once, in each process; None takes the process's share of `batch_size`."""
    checkpointing: bool = False
    """Keep only what every layer reads, and compute its activations again in the backward pass."""
    lora_rank: int | None = None
    """Rank of adapters for all linear layers, merged into the weights at the end; None trains all weights. The weights
    themselves may be quantized (`load_trainable`)."""
    seed: int = 0
    log_every: int = 50
    """Number of optimizer steps between two lines in the log."""
    save_every: int = 500
    """Number of optimizer steps between two checkpoints, if checkpoints are kept."""
    keep: int | None = 2
    """Number of newest checkpoints to keep, at least two because the last may be half written; None keeps all."""
    report_to: str | None = None
    """Tool that transformers reports every step to, such as `mlflow`; None reports to none."""


class DivergedError(CritiqueGraphError):
    """The loss is no longer a finite number."""


@dataclass(frozen=True)
class SFTResult:
    """Record of a finished training."""

    rows: int
    steps: int
    losses: list[float]
    """Mean loss per learned token for each interval of `log_every` steps; the last interval may be shorter."""
    tokens: int
    """Number of tokens that the model read, prompts included."""
    seconds: float
    device: str
    learning_rate: float | None = None
    """Peak learning rate; None in records of earlier versions."""


def run_trainer(
    create: Callable[[str], Any],
    settings: SFTSettings,
    tokenizer: PreTrainedTokenizerBase,
    *,
    rows: int,
    out: Path | None,
    checkpoints: Path | None,
) -> SFTResult:
    """Train with the TRL trainer that `create` makes for a folder, from the last checkpoint in it; save in `out`."""
    with TemporaryDirectory() as scratch, warnings.catch_warnings():
        # peft 0.21 reads this attribute, which transformers 5 has renamed.
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
        trainer = create(str(checkpoints or scratch))
        trainer.remove_callback(PrinterCallback)
        if trainer.args.device.type == "cpu":
            return_large_blocks()
        if trainer.is_fsdp_enabled and settings.lora_rank is not None:
            raise ValueError(
                "adapters cannot be merged into sharded weights: train all weights, or train without FSDP."
            )
        with redirect_stdout(sys.stderr):  # where tools that the training is reported to print
            output = trainer.train(resume_from_checkpoint=_last_checkpoint(checkpoints) if checkpoints else None)
        shards = None
        if trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled:  # all processes take part
            shards = trainer.accelerator.get_state_dict(trainer.deepspeed or trainer.model)
        model = trainer.accelerator.unwrap_model(trainer.model)
        if settings.lora_rank is not None:
            model = merged(model)
    # TRL leaves its own `forward` on the model, bound to this model: a copy would compute with this model's weights.
    vars(model).pop("forward", None)
    if out is not None and trainer.is_world_process_zero():
        model.save_pretrained(out, state_dict=shards)
        tokenizer.save_pretrained(out)
    return SFTResult(
        rows=rows,
        steps=output.global_step,
        losses=_curve(trainer.state, settings.log_every),
        tokens=int(trainer.state.num_input_tokens_seen),
        seconds=output.metrics["train_runtime"],
        device=trainer.args.device.type,
        learning_rate=settings.learning_rate,
    )


def trainer_parts(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    dataset: Dataset,
    settings: SFTSettings,
    on_step: Callable[[StepReport], None],
) -> dict[str, Any]:
    """Give the arguments that all trainers of TRL have in common, beside their configurations."""
    return {
        "model": model,
        "processing_class": tokenizer,
        "train_dataset": dataset,
        "callbacks": [StepLog(settings.log_every, on_step)],
        "optimizers": (optimizer(model, settings), None),
        "peft_config": adapters(settings),
    }


def optimizer(model: PreTrainedModel, settings: SFTSettings) -> Optimizer | None:
    """Give the optimizer to use; None lets `Trainer` make the one that `arguments` names."""
    if settings.optimizer != "muon":
        return None
    return MuonWithAdamW(model, learning_rate=settings.learning_rate, weight_decay=settings.weight_decay)


def check_optimizer(name: str) -> None:
    """Check that an optimizer is known and installed.

    Raises:
        ValueError: Neither `muon` nor one of transformers' names.
        MissingDependencyError: It is one of torchao's, which is not installed.
    """
    if name != "muon" and name not in list(OptimizerNames):
        raise ValueError(f"--optimizer {name} is none of transformers' optimizers, such as adamw_torch or adafactor.")
    if name in _TORCHAO and find_spec("torchao") is None:
        raise MissingDependencyError("torchao", extra="train-cuda", purpose=f"The optimizer {name}")


def adapters(settings: SFTSettings) -> Any:
    """Give the configuration from which TRL makes adapters; None if all weights are trained."""
    if settings.lora_rank is None:
        return None
    try:
        from peft import LoraConfig
    except ImportError as error:
        raise MissingDependencyError("peft", extra="train", purpose="Training adapters") from error
    rank = settings.lora_rank
    return LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear", task_type="CAUSAL_LM")


def _last_checkpoint(folder: Path) -> str | None:
    """Give the newest complete checkpoint; the trainer's state is the last file that is written."""
    for candidate in sorted(folder.glob("checkpoint-*"), key=lambda path: -int(path.name.partition("-")[2])):
        with suppress(OSError, ValueError):
            json.loads((candidate / TRAINER_STATE_NAME).read_bytes())
            logger.info("continuing from %s", candidate.name)
            return str(candidate)
    return None


def arguments(settings: SFTSettings, folder: str, *, keeps_state: bool) -> dict[str, Any]:
    """Give the arguments that the configurations of all trainers have in common."""
    processes = find_processes().count
    at_once = settings.rows_at_once or max(1, settings.batch_size // processes)
    if settings.batch_size % (at_once * processes):
        raise ValueError(
            f"batch_size ({settings.batch_size}) must be a multiple of rows_at_once ({at_once}) times the processes "
            f"({processes})."
        )
    accelerator = find_accelerator("cpu" if settings.use_cpu else "auto")
    return {
        "output_dir": folder,
        "max_length": None,  # lengths are checked above; None turns off TRL's silent cut
        "learning_rate": settings.learning_rate,
        "lr_scheduler_type": "cosine_with_min_lr",
        "lr_scheduler_kwargs": {"min_lr_rate": 0.1},
        "warmup_steps": settings.warmup,
        "weight_decay": settings.weight_decay,
        "per_device_train_batch_size": at_once,
        "gradient_accumulation_steps": settings.batch_size // (at_once * processes),
        "train_sampling_strategy": "group_by_length",
        "num_train_epochs": settings.epochs,
        "max_steps": settings.max_steps or -1,
        "seed": settings.seed,
        "data_seed": settings.seed,
        "use_cpu": accelerator.device.type == "cpu",  # needed if several processes share a training on CPUs
        "ddp_find_unused_parameters": False,
        "dataloader_pin_memory": accelerator.device.type != "cpu",
        "bf16": accelerator.has_bf16,
        "optim": accelerator.optimizer if settings.optimizer in ("adamw", "muon") else settings.optimizer,
        # torchao rounds bfloat16 weights at random, so that updates below their last digit count on average.
        "optim_args": "bf16_stochastic_round=True" if settings.optimizer in _TORCHAO else None,
        "activation_checkpointing": settings.checkpointing,
        "include_num_input_tokens_seen": "non_padding",
        "logging_steps": 1,  # `StepLog` writes the lines
        "logging_nan_inf_filter": False,  # it would replace a loss that is not finite by an earlier mean
        "save_strategy": "steps" if keeps_state else "no",
        "save_steps": settings.save_every,
        "save_total_limit": settings.keep,
        "report_to": settings.report_to or "none",
        "disable_tqdm": True,
    }


Configuration = TypeVar("Configuration", bound=TrainingArguments)


def configured(kind: Callable[..., Configuration], **common: Any) -> Configuration:
    """Make the configuration of a trainer that uses one device in each process.

    transformers would have one process train on all devices that it sees (nn.DataParallel), and multiply the batch.
    """
    made = kind(**common)
    made._n_gpu = min(made.n_gpu, 1)
    return made


def _curve(state: TrainerState, every: int) -> list[float]:
    """Give the mean loss of every interval of `every` steps."""
    losses = [float(entry["loss"]) for entry in state.log_history if "loss" in entry]
    return [round(fmean(losses[start : start + every]), 4) for start in range(0, len(losses), every)]


class StepLog(TrainerCallback):
    """Logs the mean loss of every interval of steps, and stops a training whose loss is not finite."""

    def __init__(self, every: int, on_step: Callable[[StepReport], None]) -> None:
        self._every = every
        self._on_step = on_step

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: object,
    ) -> None:
        if not logs or "loss" not in logs:
            return
        step, steps, latest = state.global_step, state.max_steps, float(logs["loss"])
        if not isfinite(latest):
            raise DivergedError(f"the loss is {latest} at step {step} of {steps}: lower the learning rate.")
        self._on_step(StepReport(step, steps, latest, int(state.num_input_tokens_seen), logs.get("reward")))
        if step % self._every == 0 or step == steps:
            logger.info("step %d of %d, loss %.4f", step, steps, _curve(state, self._every)[-1])
