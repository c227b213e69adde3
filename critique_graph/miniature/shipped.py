"""The place of the miniature's trained models."""

from pathlib import Path

from critique_graph.core.schema import Role


def weights_path(role: Role) -> Path:
    """The folder of the shipped model of `role`: safetensors, configuration, tokenizer."""
    return Path(__file__).parent / "weights" / role
