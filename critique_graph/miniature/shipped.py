"""Where the miniature's trained models are."""

from pathlib import Path

from critique_graph.core.schema import Role


def weights_path(role: Role) -> Path:
    """The folder of the shipped `role`: safetensors, configuration, tokenizer."""
    return Path(__file__).parent / "weights" / role
