"""Parse model strings: `hf:NAME_OR_PATH`, `vllm:NAME_OR_PATH?SETTINGS`, `miniature:actor`, `openai:NAME`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from critique_graph.core.errors import InputError
from critique_graph.miniature import SHIPPED, weights_path

KNOWN_PREFIXES = ("miniature:actor", "miniature:critic", "hf:NAME_OR_PATH", "vllm:NAME_OR_PATH", "openai:NAME")


@dataclass(frozen=True)
class ModelString:
    """The parts of a model string."""

    prefix: str
    name: str
    engine: str = ""
    """Settings of vLLM's engine, which follow a question mark: `gpu_memory_utilization=0.45&max_model_len=8192`."""

    @classmethod
    def parse(cls, spec: str) -> Self:
        """Read a model string.

        Raises:
            InputError: The string is not a model string.
        """
        prefix, colon, name = spec.partition(":")
        if not colon or not name or spec != spec.strip():
            raise unknown_model(spec)
        name, _, engine = name.partition("?") if prefix == "vllm" else (name, "", "")
        return cls(prefix, name, engine)

    @property
    def weights(self) -> str | None:
        """Folder of the weights, or their name on the hub; None if the model has no weights here."""
        match self.prefix:
            case "miniature" if self.name in SHIPPED:
                return str(weights_path(self.name))
            case "hf" | "vllm":
                return self.name
            case _:
                return None

    def trained_into(self, folder: Path) -> str:
        """Give the string of the model that training this one leaves in `folder`; it runs in the same engine."""
        if self.prefix != "vllm":
            return f"hf:{folder}"
        return f"vllm:{folder}?{self.engine}" if self.engine else f"vllm:{folder}"


def unknown_model(spec: str) -> InputError:
    """Give the error for a string that names no model."""
    return InputError(
        f"Unknown model {spec!r}; use {', '.join(KNOWN_PREFIXES)}, or install langchain for its PROVIDER:NAME."
    )
