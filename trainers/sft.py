"""Supervised fine-tuning on prompt/completion rows with TRL's `SFTTrainer`.

The loss covers the completion only. Rows are tokenised here, not by TRL, because TRL silently cuts or drops rows that
are too long: here such rows are an error that says how many there are.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from transformers import PreTrainedModel, PreTrainedTokenizerBase
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from critique_graph.trainers.batches import GroupedByLength
from critique_graph.trainers.encoded import encode, encoded
from critique_graph.trainers.progress import StepReport
from critique_graph.trainers.rows import Rows, TrainingRow
from critique_graph.trainers.trainer import SFTResult, SFTSettings, arguments, configured, run_trainer, trainer_parts


class _SFTTrainer(GroupedByLength, SFTTrainer):
    """The trainer of TRL, with the same batches on any number of devices."""


def train_sft(
    rows: Rows[TrainingRow],
    *,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    settings: SFTSettings | None = None,
    out: Path | None = None,
    checkpoints: Path | None = None,
    encoded_in: Path | None = None,
    on_step: Callable[[StepReport], None] = lambda report: None,
) -> SFTResult:
    """Train `model` in place on `rows`; with `out`, also save it there with its tokenizer.

    `on_step` is called after every optimizer step. The rows are encoded in `encoded_in`, or in a temporary folder.

    With `checkpoints`, the state of the training is saved in that folder every `settings.save_every` steps; a training
    with the same arguments continues from there. With a single pass over the rows, it ends with the same weights as an
    uninterrupted training; later passes draw another order.

    Raises:
        ValueError: There are no rows, a row has nothing to learn, or rows are longer than `max_length`.
        DivergedError: The loss is no longer a finite number; earlier checkpoints are kept.
        MissingDependencyError: `lora_rank` needs peft.
    """
    settings = settings or SFTSettings()
    limit = settings.max_length or model.config.max_position_embeddings
    with TemporaryDirectory() as scratch:
        dataset = encoded(rows, partial(encode, tokenizer=tokenizer), encoded_in or Path(scratch), max_length=limit)

        def trainer(folder: str) -> SFTTrainer:
            return _SFTTrainer(
                args=configured(SFTConfig, **arguments(settings, folder, keeps_state=checkpoints is not None)),
                **trainer_parts(model, tokenizer, dataset, settings, on_step),
            )

        return run_trainer(trainer, settings, tokenizer, rows=len(rows), out=out, checkpoints=checkpoints)
