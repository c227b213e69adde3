"""Kahneman-Tversky optimization (Ethayarajh et al. 2024, arXiv 2402.01306) with TRL's `KTOTrainer`.

Each row is an answer that is desirable or not; pairs are not needed. The untrained model is the reference: its log
probabilities are computed once, before the training. TRL estimates the divergence from the reference on the rows that
are in memory together, so that they keep one order in all epochs; it is drawn here.
"""

import random
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from transformers import PreTrainedModel, PreTrainedTokenizerBase
from trl.trainer.kto_config import KTOConfig
from trl.trainer.kto_trainer import KTOTrainer

from critique_graph.trainers.encoded import encode, with_columns
from critique_graph.trainers.label_weights import kto_weights
from critique_graph.trainers.progress import StepReport
from critique_graph.trainers.rows import LabelledRow, Rows
from critique_graph.trainers.trainer import SFTResult, SFTSettings, arguments, configured, run_trainer, trainer_parts


def train_kto(
    rows: Rows[LabelledRow],
    *,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    settings: SFTSettings | None = None,
    beta: float = 0.1,
    out: Path | None = None,
    checkpoints: Path | None = None,
    encoded_in: Path | None = None,
    on_step: Callable[[StepReport], None] = lambda report: None,
) -> SFTResult:
    """Train `model` in place towards desirable and away from undesirable answers; else this is like `train_sft`.

    Args:
        rows: Answers, and whether each is desirable; the two kinds weigh as `kto_weights` says.
        model: Model to train; its untrained weights are the reference.
        tokenizer: Tokenizer with a chat template.
        settings: Settings of the trainer; at least 2 rows at once.
        beta: Strength of the penalty for departing from the reference.
        out: Folder in which the model is saved.
        checkpoints: Folder in which the state of the training is kept.
        encoded_in: Folder in which the rows are kept as a data set; None: a temporary one.
        on_step: Called after every optimizer step; `loss` is that of KTO, about half of the rows' weights at the start.

    Raises:
        ValueError: Rows of one kind are missing, one row at a time is asked for, or a row has nothing to learn or is
            longer than `max_length`.
        DivergedError: The loss is no longer a finite number.
        MissingDependencyError: `lora_rank` needs peft.
    """
    settings = settings or SFTSettings()
    weights = kto_weights(rows)
    limit = settings.max_length or model.config.max_position_embeddings
    common = arguments(settings, "", keeps_state=checkpoints is not None)
    if common["per_device_train_batch_size"] < 2:
        raise ValueError("KTO compares the rows that are in memory together: it needs at least 2 (--rows-at-once 2).")
    common["train_sampling_strategy"] = "sequential"
    order = random.Random(settings.seed).sample(range(len(rows)), len(rows))

    with TemporaryDirectory() as scratch:
        folder = encoded_in or Path(scratch)
        dataset = with_columns(rows, partial(encode, tokenizer=tokenizer), folder, max_length=limit).select(order)

        def trainer(folder: str) -> KTOTrainer:
            return KTOTrainer(
                args=configured(
                    KTOConfig,
                    **{**common, "output_dir": folder},
                    beta=beta,
                    precompute_ref_log_probs=True,
                    desirable_weight=weights["desirable"],
                    undesirable_weight=weights["undesirable"],
                ),
                **trainer_parts(model, tokenizer, dataset, settings, on_step),
            )

        return run_trainer(trainer, settings, tokenizer, rows=len(rows), out=out, checkpoints=checkpoints)
