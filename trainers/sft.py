"""Supervised fine-tuning on prompt/completion rows with TRL's `SFTTrainer`.

The loss covers the completion only. Rows are tokenised here, not by TRL, because TRL cuts a row that is too
long and then drops it without a word: here such rows are an error that says how many there are.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import Literal, TypedDict

from datasets import Dataset
from langchain_core.messages import BaseMessage
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
from transformers.utils.import_utils import is_torch_bf16_gpu_available
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from critique_graph.trainers.muon import MuonWithAdamW

logger = logging.getLogger(__name__)


Message = dict[str, str]
"""One turn of a conversation: `role` and `content`."""


class Row(TypedDict):
    """What is context (`prompt`) and what is learned (`completion`)."""

    prompt: list[Message]
    completion: list[Message]


_ROLES = {"human": "user", "ai": "assistant", "system": "system"}


def as_messages(messages: Sequence[BaseMessage]) -> list[Message]:
    """LangChain messages in the form chat templates read."""
    return [{"role": _ROLES[message.type], "content": message.text} for message in messages]


def row(prompt: Sequence[BaseMessage], completion: str) -> Row:
    """Make a row from the messages a node sends and the text the model should answer."""
    return {
        "prompt": as_messages(prompt),
        "completion": [{"role": "assistant", "content": completion}],
    }


@dataclass(frozen=True)
class SFTSettings:
    """How to train; the defaults suit the fine-tuning of a pretrained model."""

    learning_rate: float = 1e-5
    """Peak, reached after the warm-up; a cosine then brings it down to a tenth."""
    batch_size: int = 32
    """Rows per optimizer step."""
    epochs: float = 1.0
    """Passes over the rows; ignored when `max_steps` is given."""
    max_steps: int | None = None
    """Optimizer steps."""
    warmup: float = 0.05
    """Share of the steps over which the learning rate rises."""
    weight_decay: float = 0.0
    optimizer: Literal["adamw", "muon"] = "adamw"
    """`muon` suits training from scratch (see `muon.py`)."""
    max_length: int | None = None
    """Tokens a row may have; None takes the model's context length."""
    use_cpu: bool = False
    """Stay on the CPU although there is an accelerator."""
    seed: int = 0
    log_every: int = 50
    """Optimizer steps between two lines in the log."""


@dataclass(frozen=True)
class SFTResult:
    """What a training run did."""

    rows: int
    steps: int
    loss_first: float
    """Mean loss per learned token over the first `log_every` steps."""
    loss_last: float
    """Mean loss per learned token over the last `log_every` steps."""
    tokens: int
    """Tokens the model read, prompts included."""
    seconds: float
    device: str


def train_sft(
    rows: Sequence[Row],
    *,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    settings: SFTSettings | None = None,
    out: Path | None = None,
) -> SFTResult:
    """Train `model` in place on `rows`; with `out`, save it there with its tokenizer.

    Raises:
        ValueError: There are no rows, a row has nothing to learn, or rows are longer than `max_length`.
    """
    settings = settings or SFTSettings()
    limit = settings.max_length or model.config.max_position_embeddings
    dataset = Dataset.from_list(encode_rows(rows, tokenizer, max_length=limit))
    log = _LossLog(settings.log_every)
    with TemporaryDirectory() as scratch:
        trainer = SFTTrainer(
            model=model,
            args=_config(settings, scratch),
            train_dataset=dataset,
            processing_class=tokenizer,
            callbacks=[log],
            optimizers=(_optimizer(model, settings), None),
        )
        trainer.remove_callback(PrinterCallback)
        output = trainer.train()
    # TRL's forward stays on the model and holds on to it: a copy would answer with this model's weights.
    vars(model).pop("forward", None)
    if out is not None:
        model.save_pretrained(out)
        tokenizer.save_pretrained(out)
    return SFTResult(
        rows=len(dataset),
        steps=output.global_step,
        loss_first=log.first,
        loss_last=log.last,
        tokens=int(trainer.state.num_input_tokens_seen),
        seconds=output.metrics["train_runtime"],
        device=str(trainer.args.device),
    )


def encode_rows(
    rows: Sequence[Row], tokenizer: PreTrainedTokenizerBase, *, max_length: int
) -> list[dict[str, list[int]]]:
    """Turn rows into token ids and labels; labels are -100 where nothing is learned, i.e. over the prompt."""
    if not rows:
        raise ValueError("There are no rows to train on.")
    prompts = tokenizer.apply_chat_template([r["prompt"] for r in rows], add_generation_prompt=True, tokenize=False)
    wholes = tokenizer.apply_chat_template([r["prompt"] + r["completion"] for r in rows], tokenize=False)
    encoded: list[dict[str, list[int]]] = []
    too_long = 0
    prompt_ids = tokenizer(prompts, add_special_tokens=False)["input_ids"]
    whole_ids = tokenizer(wholes, add_special_tokens=False)["input_ids"]
    for index, (prompt, whole) in enumerate(zip(prompt_ids, whole_ids, strict=True)):
        if whole[: len(prompt)] != prompt or len(whole) == len(prompt):
            raise ValueError(
                f"Row {index} has nothing to learn, or its prompt is not a prefix of the whole conversation "
                "in this chat template."
            )
        too_long += len(whole) > max_length
        encoded.append({"input_ids": whole, "labels": [-100] * len(prompt) + whole[len(prompt) :]})
    if too_long:
        longest = max(len(e["input_ids"]) for e in encoded)
        raise ValueError(
            f"{too_long} of {len(rows)} rows are longer than {max_length} tokens (the longest: {longest}): "
            "raise max_length, take a model with a longer context, or leave these rows out."
        )
    return encoded


def _optimizer(model: PreTrainedModel, settings: SFTSettings) -> Optimizer | None:
    """The optimizer to use; None lets `Trainer` make its AdamW."""
    if settings.optimizer == "adamw":
        return None
    return MuonWithAdamW(model, learning_rate=settings.learning_rate, weight_decay=settings.weight_decay)


def _config(settings: SFTSettings, scratch: str) -> SFTConfig:
    return SFTConfig(
        output_dir=scratch,
        max_length=None,  # lengths are checked above; None switches TRL's silent cut off
        learning_rate=settings.learning_rate,
        lr_scheduler_type="cosine_with_min_lr",
        lr_scheduler_kwargs={"min_lr_rate": 0.1},
        warmup_steps=settings.warmup,
        weight_decay=settings.weight_decay,
        per_device_train_batch_size=settings.batch_size,
        train_sampling_strategy="group_by_length",
        num_train_epochs=settings.epochs,
        max_steps=settings.max_steps or -1,
        seed=settings.seed,
        data_seed=settings.seed,
        use_cpu=settings.use_cpu,
        bf16=is_torch_bf16_gpu_available() and not settings.use_cpu,
        activation_checkpointing=False,
        include_num_input_tokens_seen="non_padding",
        logging_steps=1,  # `_LossLog` writes the lines
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
    )


class _LossLog(TrainerCallback):
    """Keeps the loss of every step, and writes the mean of each interval to the log."""

    def __init__(self, every: int) -> None:
        self._every = every
        self._losses: list[float] = []

    @property
    def first(self) -> float:
        return fmean(self._losses[: self._every])

    @property
    def last(self) -> float:
        return fmean(self._losses[-self._every :])

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
        self._losses.append(float(logs["loss"]))
        if state.global_step % self._every == 0 or state.global_step == state.max_steps:
            logger.info("step %d of %d, loss %.4f", state.global_step, state.max_steps, self.last)
