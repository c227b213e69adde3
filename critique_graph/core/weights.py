"""Name models by their weights, so that a trace says the same on every machine.

A folder is named by its last part and a hash: `hf:critic@3f2a90c41b7e`. A name on the hub stays as it is.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import get_args

from pydantic import JsonValue

from critique_graph.core.schema import Role

_BLOCK, _BLOCKS = 4096, 1024
"""Bytes of a block, and number of blocks of a large file that are read."""


def named_by_weights(prefix: str, name: str) -> str:
    """Give the name of a model in traces; `name` is its folder, or its name on the hub."""
    folder = Path(name).expanduser()
    if not folder.is_dir():
        return f"{prefix}:{name}"
    return f"{prefix}:{folder.resolve().name}@{weights_hash(folder)}"


def weights_hash(folder: Path) -> str:
    """Give a hash of the safetensors files in a folder: their names, sizes and content.

    Of a file above 4 MiB it reads 1,024 blocks of 4 KiB at equal distances, so that even the largest model takes a
    moment. A training changes most of a tensor, so two models that were trained differently differ there too.
    """
    digest = hashlib.sha256()
    for file in sorted(folder.glob("*.safetensors")):
        size = file.stat().st_size
        digest.update(f"{file.name} {size}\n".encode())
        with file.open("rb", buffering=0) as weights:
            for block in range(_BLOCKS):
                weights.seek(max(block * _BLOCK, block * (size - _BLOCK) // (_BLOCKS - 1)))
                digest.update(weights.read(_BLOCK))
    return digest.hexdigest()[:12]


def without_paths(settings: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Give settings of a run with every model in a folder named by its weights."""
    return {name: _named(value) if name in get_args(Role) else value for name, value in settings.items()}


def _named(role: JsonValue) -> JsonValue:
    if isinstance(role, dict):
        return {name: _named(value) if name == "model" else value for name, value in role.items()}
    return _without_path(role) if isinstance(role, str) else role


def _without_path(model: str) -> str:
    prefix, _, rest = model.partition(":")
    if prefix not in ("hf", "vllm"):
        return model
    name, mark, engine = rest.partition("?")
    pairs = (pair.partition("=") for pair in engine.split("&"))
    shown = "&".join(
        named_by_weights("lora", value).replace(":", "=", 1) if key == "lora" else f"{key}{equals}{value}"
        for key, equals, value in pairs
    )
    return f"{named_by_weights(prefix, name)}{mark}{shown}"
