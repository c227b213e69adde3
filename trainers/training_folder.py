"""The folder of a training: what it is called in there, who owns it, and from which weights a training starts."""

from collections.abc import Mapping
from pathlib import Path
from shutil import rmtree
from typing import Any

import orjson

from critique_graph.core.errors import InputError
from critique_graph.core.files import write_atomically
from critique_graph.models.model_string import ModelString

FOLDER, ROWS, PLAN, RESULT = "training", "rows", "plan.json", "result.json"
SELECTED, HELD_OUT = "rows.json", "held_out.jsonl"
CHECKPOINTS = "checkpoints"
ENCODED = "encoded"
"""Folder of the rows as tokens, which goes with the checkpoints when the training is done."""


def start_weights(start: str) -> str:
    """Give the path, or the name on the hub, of the weights from which training starts.

    Raises:
        InputError: The string names no weights that can be trained here.
    """
    named = ModelString.parse(start) if ":" in start else None
    if named is None or named.weights is None or named.prefix == "vllm":
        raise InputError(f"--model {start}: training starts from hf:NAME_OR_PATH, miniature:actor or miniature:critic.")
    return named.weights


def claim(out: Path, configuration: Mapping[str, Any], *, kept: str | None = None) -> None:
    """Check that the folder holds the same configuration, or write it if no training has begun in the folder.

    Args:
        out: Folder of the trained model.
        configuration: All that must be the same for a training to go on.
        kept: Name of a folder in `training/` that stays when a training with other settings begins anew.

    Raises:
        InputError: The folder holds another training, or something else, or a link.
    """
    if (link := next((path for path in out.rglob("*") if path.is_symlink()), None)) is not None:
        raise InputError(f"{link} is a link, and may lead anywhere: give another folder.")
    folder = out / FOLDER
    file = folder / "settings.json"
    if file.is_file():
        known = orjson.loads(file.read_bytes())
        changed = next((name for name, value in configuration.items() if known.get(name) != value), None)
        if changed is None:
            return
        if (folder / CHECKPOINTS).exists() or (folder / RESULT).exists():
            raise InputError(
                f"{out} holds a training with {changed} {known.get(changed)!r}, not {configuration[changed]!r}: "
                "give another folder."
            )
        for entry in folder.iterdir():
            if entry.name != kept:
                rmtree(entry) if entry.is_dir() else entry.unlink()
    elif out.exists() and any(out.iterdir()):
        raise InputError(f"{out} is not empty and holds no training; give a new folder.")
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(file, [orjson.dumps(configuration, option=orjson.OPT_INDENT_2)])
