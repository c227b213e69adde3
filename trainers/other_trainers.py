"""Exports rows for other trainers, each with a complete configuration and the command that trains.

These trainers cannot share an environment, so each runs in its own, from a folder that holds all it needs. Formats and
options are those of LLaMA-Factory 0.9.5, axolotl 0.19, verl 0.9.1 and OpenRLHF 0.11.2; learning rate, scheduler and
epochs are those of the paper's scripts. Every trainer learns the completion only, as TRL does; if a trainer cannot do
that, the export is refused.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import orjson
import yaml

from critique_graph.core.errors import InputError, MissingDependencyError
from critique_graph.core.files import write_atomically
from critique_graph.core.json_lines import write_json_lines
from critique_graph.trainers.rows import TrainingRow

ExportTarget = Literal["llama-factory", "axolotl", "verl", "openrlhf"]

LEARNING_RATE, BATCH = 5e-6, 32
CHARACTERS_PER_TOKEN = 2
"""An estimate below the true value for English and mathematics, so that no row has more tokens than estimated."""


def write_export(target: ExportTarget, rows: Iterable[TrainingRow], folder: Path, *, model: str) -> tuple[int, str]:
    """Write a folder for a trainer; gives the number of rows and the command that trains on them.

    Args:
        target: The trainer.
        rows: Rows to learn.
        folder: A new folder, or one of an earlier export, whose files are replaced.
        model: Name or path of the model from which training starts.

    Raises:
        InputError: There are no rows, or the trainer cannot restrict learning to the completions.
        MissingDependencyError: verl's Parquet needs pyarrow.
    """
    made = list(rows)
    if not made:
        raise InputError("there are no rows of this task to write.")
    length = max_length(made)
    folder.mkdir(parents=True, exist_ok=True)
    match target:
        case "llama-factory":
            command = _llama_factory(made, folder, model, length)
        case "axolotl":
            command = _axolotl(made, folder, model, length)
        case "verl":
            command = _verl(made, folder, model, length)
        case "openrlhf":
            command = _openrlhf(made, folder, model, length)
    write_atomically(folder / "train.sh", [f"#!/bin/sh\n# {target}; run it beside this file\n{command}\n".encode()])
    return len(made), f"cd {folder} && {command}"


def max_length(rows: Sequence[TrainingRow]) -> int:
    """Give a length in tokens, a multiple of 512, that no row exceeds: these trainers cut or refuse longer rows."""
    characters = max(sum(len(turn["content"]) for turn in (*row["prompt"], *row["completion"])) for row in rows)
    return -(-(characters // CHARACTERS_PER_TOKEN + 128) // 512) * 512


def _llama_factory(rows: Sequence[TrainingRow], folder: Path, model: str, length: int) -> str:
    """Write for LLaMA-Factory; `mask_history` prevents it from learning the flawed response before a refinement."""
    write_json_lines(folder / "rows.jsonl", ({"messages": [*row["prompt"], *row["completion"]]} for row in rows))
    tags = {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"}
    info = {
        "critique_graph": {
            "file_name": "rows.jsonl",
            "formatting": "sharegpt",
            "columns": {"messages": "messages"},
            "tags": {**tags, "system_tag": "system"},
        }
    }
    write_atomically(folder / "dataset_info.json", [orjson.dumps(info, option=orjson.OPT_INDENT_2)])
    _write_yaml(
        folder / "train.yaml",
        {
            "model_name_or_path": model,
            "stage": "sft",
            "do_train": True,
            "finetuning_type": "full",
            "dataset_dir": ".",
            "dataset": "critique_graph",
            "mask_history": True,
            "cutoff_len": length,
            "output_dir": "model",
            "learning_rate": LEARNING_RATE,
            "lr_scheduler_type": "cosine",
            "warmup_ratio": 0.0,
            "num_train_epochs": 1.0,
            "per_device_train_batch_size": 4,
            "gradient_accumulation_steps": BATCH // 4,
            "bf16": True,
            "logging_steps": 10,
            "save_strategy": "epoch",
        },
    )
    return "llamafactory-cli train train.yaml"


def _axolotl(rows: Sequence[TrainingRow], folder: Path, model: str, length: int) -> str:
    """Write for axolotl; the field `train` of every turn says whether it is learned."""

    def turns(row: TrainingRow) -> list[dict[str, Any]]:
        learned = [{**turn, "train": True} for turn in row["completion"]]
        return [*({**turn, "train": False} for turn in row["prompt"]), *learned]

    write_json_lines(folder / "rows.jsonl", ({"messages": turns(row)} for row in rows))
    dataset = {
        "path": "rows.jsonl",
        "ds_type": "json",
        "type": "chat_template",
        "field_messages": "messages",
        "roles_to_train": [],
        "message_field_training": "train",
        "train_on_eos": "turn",
    }
    _write_yaml(
        folder / "train.yaml",
        {
            "base_model": model,
            "datasets": [dataset],
            "sequence_len": length,
            "output_dir": "model",
            "learning_rate": LEARNING_RATE,
            "lr_scheduler": "cosine",
            "warmup_steps": 0,
            "num_epochs": 1,
            "micro_batch_size": 4,
            "gradient_accumulation_steps": BATCH // 4,
            "optimizer": "adamw_torch",
            "bf16": "auto",
        },
    )
    return "axolotl train train.yaml"


def _verl(rows: Sequence[TrainingRow], folder: Path, model: str, length: int) -> str:
    """Write for verl, which learns every assistant turn: a conversation may have only one."""
    if any(turn["role"] == "assistant" for row in rows for turn in row["prompt"]):
        raise InputError(
            "verl would also learn the flawed responses: it cannot mask earlier assistant turns. For refiners, use "
            "--to trl, llama-factory, axolotl or openrlhf."
        )
    try:
        import pyarrow as arrow
        from pyarrow import parquet
    except ImportError as error:
        raise MissingDependencyError("pyarrow", extra="data", purpose="Writing Parquet files") from error
    table = arrow.Table.from_pylist([{"messages": [*row["prompt"], *row["completion"]]} for row in rows])
    parquet.write_table(table, folder / "rows.parquet")
    return (
        "torchrun --standalone --nproc_per_node=1 -m verl.trainer.sft_trainer data.train_files=rows.parquet "
        f"data.messages_key=messages data.max_length={length} data.max_token_len_per_gpu={max(8192, length)} "
        f"data.truncation=error data.train_batch_size={BATCH} "
        f"model.path={model} optim.lr={LEARNING_RATE} optim.lr_warmup_steps_ratio=0 trainer.total_epochs=1 "
        "trainer.default_local_dir=model trainer.logger=[console] "
        "checkpoint.save_contents=[model,optimizer,extra,hf_model]"
    )


def _openrlhf(rows: Sequence[TrainingRow], folder: Path, model: str, length: int) -> str:
    """Write for OpenRLHF, which learns only what follows the prompt as long as `--data.multiturn` is not set."""
    write_json_lines(folder / "rows.jsonl", rows)
    return (
        "deepspeed --module openrlhf.cli.train_sft --data.dataset rows.jsonl --data.input_key prompt "
        f"--data.output_key completion --data.apply_chat_template --data.max_len {length} "
        f"--model.model_name_or_path {model} --adam.lr {LEARNING_RATE} --lr_scheduler cosine --lr_warmup_ratio 0 "
        f"--train.max_epochs 1 --train.batch_size {BATCH} --train.micro_batch_size 4 --ckpt.output_dir model"
    )


def _write_yaml(file: Path, content: dict[str, Any]) -> None:
    write_atomically(file, [yaml.safe_dump(content, sort_keys=False).encode()])
