"""A step critic: a classifier that says of every step of a response whether it is correct (process reward model).

It is trained as token classification with `transformers.Trainer` (TRL has dropped its trainer for it). Only the last
token of each step has a label, that of the step. Rows end with the first wrong step: later steps are not learned.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self, cast

import torch
from torch.nn.functional import cross_entropy
from transformers import (
    AutoModelForTokenClassification,
    DataCollatorForTokenClassification,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Trainer,
    TrainingArguments,
)
from transformers.utils import logging as transformers_logging

from critique_graph.engines.pretrained import load_tokenizer, load_weights
from critique_graph.metrics.intervals import Rate, wilson
from critique_graph.trainers.batches import GroupedByLength
from critique_graph.trainers.encoded import encoded
from critique_graph.trainers.label_weights import STEP_LABELS, step_weights
from critique_graph.trainers.progress import StepReport
from critique_graph.trainers.rows import Rows, StepRow
from critique_graph.trainers.trainer import (
    SFTResult,
    SFTSettings,
    StepLog,
    arguments,
    configured,
    optimizer,
    run_trainer,
)


def load_start(path: str, dtype: torch.dtype | str) -> PreTrainedModel:
    """Load a language model with a new head for two labels, initialised from torch's seed."""
    names = {name: label for label, name in STEP_LABELS.items()}
    verbosity = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity(logging.ERROR)  # no warning that the head is new
    try:
        loaded = load_weights(AutoModelForTokenClassification, path, dtype=dtype, id2label=STEP_LABELS, label2id=names)
    finally:
        transformers_logging.set_verbosity(verbosity)
    return loaded


class _StepTrainer(GroupedByLength, Trainer):
    """The trainer of transformers, with the same batches on any number of devices."""


def train_step_critic(
    rows: Rows[StepRow],
    *,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    settings: SFTSettings | None = None,
    out: Path | None = None,
    checkpoints: Path | None = None,
    encoded_in: Path | None = None,
    on_step: Callable[[StepReport], None] = lambda report: None,
    is_balanced: bool = False,
) -> SFTResult:
    """Train a `model` of `load_start` in place; in all else this is like `train_sft`.

    With `is_balanced`, every label weighs in the loss as `step_weights` says; otherwise all weigh 1.

    Raises:
        ValueError: There are no rows, rows are longer than `max_length`, adapters are asked for, or labels of one kind
            are to be balanced.
        DivergedError: The loss is no longer a finite number.
    """
    settings = settings or SFTSettings()
    check_no_adapters(settings.lora_rank)
    limit = settings.max_length or model.config.max_position_embeddings

    loss = weighted_loss(step_weights(rows) if is_balanced else dict.fromkeys(STEP_LABELS.values(), 1.0))

    def encode(rows: Sequence[StepRow], first: int) -> list[dict[str, list[int]]]:
        return [encode_steps(row["prompt"], row["completions"], tokenizer, row["labels"]) for row in rows]

    with TemporaryDirectory() as scratch:
        dataset = encoded(rows, encode, encoded_in or Path(scratch), max_length=limit)

        def trainer(folder: str) -> Trainer:
            common = arguments(settings, folder, keeps_state=checkpoints is not None)
            del common["max_length"]  # an argument of TRL only
            return _StepTrainer(
                model=model,
                args=configured(TrainingArguments, **common),
                train_dataset=dataset,
                data_collator=DataCollatorForTokenClassification(tokenizer),
                callbacks=[StepLog(settings.log_every, on_step)],
                optimizers=(optimizer(model, settings), None),
                compute_loss_func=loss,
            )

        return run_trainer(trainer, settings, tokenizer, rows=len(rows), out=out, checkpoints=checkpoints)


def check_no_adapters(lora_rank: int | None) -> None:
    """Check that adapters are not asked for.

    Raises:
        ValueError: They are.
    """
    if lora_rank is not None:
        raise ValueError(
            "all weights of a step critic are trained: adapters would not merge its new head. Leave lora_rank out."
        )


def weighted_loss(weights: Mapping[str, float]) -> Callable[..., torch.Tensor]:
    """Give the cross entropy in which every label has its weight, per label of the whole batch.

    The loss of transformers' model would be per label of the rows that are in memory together, in each process.
    """
    by_label = torch.tensor([weights[STEP_LABELS[label]] for label in sorted(STEP_LABELS)])

    def loss(outputs: Any, labels: torch.Tensor, num_items_in_batch: torch.Tensor | int) -> torch.Tensor:
        logits = outputs.logits.view(-1, len(STEP_LABELS)).float()
        total = cross_entropy(logits, labels.view(-1), weight=by_label.to(logits.device), reduction="sum")
        return total / num_items_in_batch

    return loss


def encode_steps(
    question: str, steps: Sequence[str], tokenizer: PreTrainedTokenizerBase, labels: Sequence[bool] | None = None
) -> dict[str, list[int]]:
    """Turn a question and steps into token ids, and labels at the last token of every step (-100 elsewhere).

    Without `labels`, the last token of every step has the label 1.
    """
    text, ends = question.strip(), []
    for step in steps:
        text += f"\n{step.strip()}"
        ends.append(len(text))
    encoded = tokenizer(text, return_offsets_mapping=True)
    made = [-100] * len(encoded["input_ids"])
    spans = list(enumerate(encoded["offset_mapping"]))
    for index, end in enumerate(ends):
        last = max(position for position, (begin, _) in spans if begin < end)
        made[last] = 1 if labels is None else int(labels[index])
    return {"input_ids": encoded["input_ids"], "labels": made}


@dataclass(frozen=True)
class StepCritic:
    """A trained step critic; `model` must not be in training mode."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Load a step critic that `critique-graph train step-critic` has saved."""
        model = load_weights(AutoModelForTokenClassification, path, dtype=torch.float32)
        return cls(cast(Any, model).eval(), load_tokenizer(path))

    @torch.inference_mode()
    def judge(self, question: str, steps: Sequence[str]) -> list[float]:
        """Give the probability that each step is correct."""
        encoded = encode_steps(question, steps, self.tokenizer)
        ids = torch.tensor([encoded["input_ids"]], device=self.model.device)
        likely = self.model(input_ids=ids).logits.softmax(-1)[0, :, 1]
        return [likely[place].item() for place, label in enumerate(encoded["labels"]) if label != -100]

    def first_wrong_step(self, question: str, steps: Sequence[str]) -> int | None:
        """Give the 0-based index of the first step that is more likely wrong than correct; None when there is none."""
        return next((index for index, likely in enumerate(self.judge(question, steps)) if likely < 0.5), None)


def located(critic: StepCritic, rows: Rows[StepRow]) -> Rate:
    """Give the share of rows for which the critic finds the first wrong step, or that there is none."""
    hits = sum(
        critic.first_wrong_step(row["prompt"], row["completions"])
        == (None if all(row["labels"]) else row["labels"].index(False))
        for row in rows
    )
    return wilson(hits, len(rows))
