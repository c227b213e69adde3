"""Exports rows for other trainers, each with a complete configuration and the command that trains.

These trainers cannot share an environment, so each runs in its own, from a folder that holds all it needs. Formats and
options are those of LLaMA-Factory 0.9.5, axolotl 0.19, verl 0.9.1 and OpenRLHF 0.11.2; learning rate, scheduler and
epochs are those of the paper's scripts. Every trainer learns the completion only, as TRL does; if a trainer cannot do
that, the export is refused.
"""

import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, cast

import orjson
import yaml

from critique_graph.core.errors import InputError, MissingDependencyError
from critique_graph.core.files import write_atomically
from critique_graph.core.json_lines import write_json_lines
from critique_graph.trainers.label_weights import kto_weights
from critique_graph.trainers.rows import LabelledRow, Message, TrainingRow
from critique_graph.trainers.training_folder import start_weights

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
        model: Name or path of the model from which training starts, as `portable_model` takes it.

    Raises:
        InputError: There are no rows, the model is a folder that does not exist, or the trainer cannot restrict
            learning to the completions.
        MissingDependencyError: verl's Parquet needs pyarrow.
    """
    made, model = list(rows), portable_model(model)
    if not made:
        raise InputError("there are no rows of this task to write.")
    if "label" in made[0] and target != "llama-factory":
        raise InputError(
            f"{target} cannot learn these rows: of the trainers, LLaMA-Factory alone has KTO for conversations. "
            "Use --to trl or llama-factory."
        )
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
    return len(made), write_script(folder, target, command)


def write_script(folder: Path, trainer: str, command: str) -> str:
    """Write `train.sh` into a folder; gives the command for whoever is elsewhere."""
    write_atomically(folder / "train.sh", [f"#!/bin/sh\n# {trainer}; run it beside this file\n{command}\n".encode()])
    return f"cd {shlex.quote(str(folder))} && {command}"


def portable_model(model: str) -> str:
    """Give the name or path of a model so that it works in every folder, and for every trainer.

    The prefix `hf:` of our model strings goes, and a folder's path becomes absolute.

    Raises:
        InputError: The string names a folder that does not exist, or a model that cannot be trained.
    """
    name = start_weights(model) if ":" in model else model
    folder = Path(name).expanduser()
    if folder.is_dir():
        return str(folder.resolve())
    if name.startswith((".", "/", "~")):
        raise InputError(f"--model {model}: there is no such folder.")
    return name


def max_length(rows: Sequence[TrainingRow]) -> int:
    """Give a length in tokens, a multiple of 512, that no row exceeds: these trainers cut or refuse longer rows."""
    return token_limit([*row["prompt"], *row["completion"]] for row in rows)


def token_limit(conversations: Iterable[Sequence[Message]]) -> int:
    """Give a number of tokens, a multiple of 512, that no conversation exceeds."""
    characters = max(sum(len(turn["content"]) for turn in turns) for turns in conversations)
    return -(-(characters // CHARACTERS_PER_TOKEN + 128) // 512) * 512


def _llama_factory(rows: Sequence[TrainingRow], folder: Path, model: str, length: int) -> str:
    """Write for LLaMA-Factory; `mask_history` prevents it from learning the flawed response before a refinement.

    KTO has no such setting there: it learns the last turn alone.
    """
    labels = [row["label"] for row in cast(Sequence[LabelledRow], rows)] if "label" in rows[0] else []
    records: list[dict[str, Any]] = [{"messages": [*row["prompt"], *row["completion"]]} for row in rows]
    for record, label in zip(records, labels, strict=False):
        record["kto_tag"] = label
    write_json_lines(folder / "rows.jsonl", records)
    tags = {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"}
    info = {
        "critique_graph": {
            "file_name": "rows.jsonl",
            "formatting": "sharegpt",
            "columns": {"messages": "messages", **({"kto_tag": "kto_tag"} if labels else {})},
            "tags": {**tags, "system_tag": "system"},
        }
    }
    write_atomically(folder / "dataset_info.json", [orjson.dumps(info, option=orjson.OPT_INDENT_2)])
    _write_yaml(
        folder / "train.yaml",
        {
            "model_name_or_path": model,
            **(_kto(cast(Sequence[LabelledRow], rows)) if labels else {"stage": "sft", "mask_history": True}),
            "do_train": True,
            "finetuning_type": "full",
            "dataset_dir": ".",
            "dataset": "critique_graph",
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


def _kto(rows: Sequence[LabelledRow]) -> dict[str, Any]:
    """Give the settings of KTO for LLaMA-Factory, with the weights that `train kto` has."""
    try:
        weights = kto_weights(rows)
    except ValueError as error:
        raise InputError(str(error)) from error
    return {
        "stage": "kto",
        "pref_beta": 0.1,
        "kto_chosen_weight": weights["desirable"],
        "kto_rejected_weight": weights["undesirable"],
    }


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
        f"model.path={shlex.quote(model)} optim.lr={LEARNING_RATE} optim.lr_warmup_steps_ratio=0 "
        "trainer.total_epochs=1 trainer.default_local_dir=model trainer.logger=[console] "
        "checkpoint.save_contents=[model,optimizer,extra,hf_model]"
    )


def _openrlhf(rows: Sequence[TrainingRow], folder: Path, model: str, length: int) -> str:
    """Write for OpenRLHF, which learns only what follows the prompt as long as `--data.multiturn` is not set."""
    write_json_lines(folder / "rows.jsonl", rows)
    return (
        "deepspeed --module openrlhf.cli.train_sft --data.dataset rows.jsonl --data.input_key prompt "
        f"--data.output_key completion --data.apply_chat_template --data.max_len {length} "
        f"--model.model_name_or_path {shlex.quote(model)} --adam.lr {LEARNING_RATE} --lr_scheduler cosine "
        f"--lr_warmup_ratio 0 --train.max_epochs 1 --train.batch_size {BATCH} --train.micro_batch_size 4 "
        "--ckpt.output_dir model"
    )


def _write_yaml(file: Path, content: dict[str, Any]) -> None:
    write_atomically(file, [yaml.safe_dump(content, sort_keys=False).encode()])
