"""Direct preference optimization (Rafailov et al. 2023, arXiv 2305.18290) with TRL's `DPOTrainer`: refined over flawed.

The untrained model is the reference: its log probabilities are computed once, before the training.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from transformers import PreTrainedModel, PreTrainedTokenizerBase
from trl.trainer.dpo_config import DPOConfig
from trl.trainer.dpo_trainer import DPOTrainer

from critique_graph.trainers.encoded import encode, with_columns
from critique_graph.trainers.progress import StepReport
from critique_graph.trainers.rows import PreferenceRow, Rows, TrainingRow
from critique_graph.trainers.trainer import SFTResult, SFTSettings, arguments, configured, run_trainer, trainer_parts


def train_preference(
    rows: Rows[PreferenceRow],
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
    """Train `model` in place to prefer `chosen` over `rejected`; in all else this is like `train_sft`.

    Args:
        rows: Pairs of a preferred and a rejected answer to the same prompt.
        model: Model to train; its untrained weights are the reference.
        tokenizer: Tokenizer with a chat template.
        settings: Settings of the trainer.
        beta: Strength of the penalty for departing from the reference.
        out: Folder in which the model is saved.
        checkpoints: Folder in which the state of the training is kept.
        encoded_in: Folder in which the rows are encoded; None: a temporary one.
        on_step: Called after every optimizer step; `loss` is that of DPO, which is log 2 at the start.

    Raises:
        ValueError: There are no rows, or a row has nothing to learn or is longer than `max_length`.
        DivergedError: The loss is no longer a finite number.
        MissingDependencyError: `lora_rank` needs peft.
    """
    settings = settings or SFTSettings()
    limit = settings.max_length or model.config.max_position_embeddings

    def both(batch: Sequence[PreferenceRow], first: int) -> list[dict[str, list[int]]]:
        chosen: list[TrainingRow] = [{"prompt": row["prompt"], "completion": row["chosen"]} for row in batch]
        rejected: list[TrainingRow] = [{"prompt": row["prompt"], "completion": row["rejected"]} for row in batch]
        return [*encode(chosen, first, tokenizer=tokenizer), *encode(rejected, first, tokenizer=tokenizer)]

    with TemporaryDirectory() as scratch:
        dataset = with_columns(rows, both, encoded_in or Path(scratch), max_length=limit)

        def trainer(folder: str) -> DPOTrainer:
            common = arguments(settings, folder, keeps_state=checkpoints is not None)
            common["train_sampling_strategy"] = "random"  # a pair does not have one length to group by
            return DPOTrainer(
                args=configured(DPOConfig, **common, beta=beta, precompute_ref_log_probs=True),
                **trainer_parts(model, tokenizer, dataset, settings, on_step),
            )

        return run_trainer(trainer, settings, tokenizer, rows=len(rows), out=out, checkpoints=checkpoints)
