"""The weights of a model in a folder: their hash, their number, and the operations of calls and trainings."""

import hashlib
from collections.abc import Mapping
from math import prod
from pathlib import Path

import orjson

from critique_graph.core.errors import InputError
from critique_graph.models.model_string import ModelString

PASS, TRAINED = 2, 6
"""Operations for each weight and token: of a token that a model reads or writes, and of one that it learns in an epoch,
which is read once and whose gradient takes two passes more (arXiv 2001.08361, section 2.1)."""


def weights_hash(model: str) -> str | None:
    """Give a hash of a model's weights; None if they are not in a folder."""
    folder = ModelString.parse(model).weights
    files = [] if folder is None else sorted(Path(folder).glob("*.safetensors"))
    if not files:
        return None
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as weights:
            digest.update(hashlib.file_digest(weights, "sha256").digest())
    return digest.hexdigest()[:12]


def operations(
    models: Mapping[str, str], tokens: Mapping[str, int], trained: Mapping[str, int]
) -> dict[str, float] | None:
    """Give the floating-point operations by role and in `total`; None if a model's weights are not in a folder here.

    Args:
        models: Model string of each role.
        tokens: Tokens that the model of each role read and wrote.
        trained: Tokens that the model of each role read in trainings.
    """
    found: dict[str, float] = {}
    for role, model in models.items():
        weights = number_of_weights(model)
        if weights is None:
            return None
        found[role] = float(weights * (PASS * tokens.get(role, 0) + TRAINED * trained.get(role, 0)))
    return {**found, "total": sum(found.values())}


def number_of_weights(model: str) -> int | None:
    """Give the number of a model's weights, from the heads of its files; None if they are not in a folder."""
    try:
        folder = ModelString.parse(model).weights
    except InputError:  # the name of a chat model
        return None
    files = [] if folder is None else list(Path(folder).glob("*.safetensors"))
    return sum(map(_weights_in, files)) if files else None


def _weights_in(file: Path) -> int:
    with file.open("rb") as opened:
        head = orjson.loads(opened.read(int.from_bytes(opened.read(8), "little")))
    return sum(prod(tensor["shape"]) for name, tensor in head.items() if name != "__metadata__")
