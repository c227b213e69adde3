"""The place of the miniature's trained models."""

from pathlib import Path

SHIPPED = ("actor", "critic", "small-actor")
"""Names of the shipped models: `miniature:NAME`. The small actor is there to compare actors of several sizes."""


def weights_path(name: str) -> Path:
    """The folder of the shipped model of this name: safetensors, configuration, tokenizer."""
    return Path(__file__).parent / "weights" / name
