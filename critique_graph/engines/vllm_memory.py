"""How much of a device's memory each vLLM engine of a run takes, unless its settings say so."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

WHOLE = 0.9
"""Share of the device that all engines of a run take together."""
_CACHE = 0.5
"""Share of a computer's free memory that an engine on the CPU takes for its cache; the weights need memory, too."""
_WORKING = 2 * 1024**3
"""Bytes that an engine needs beside its weights, whatever their size."""
_TOLD = ("gpu_memory_utilization", "kv_cache_memory_bytes")


def divided(models: Sequence[tuple[str, Mapping[str, Any]]]) -> list[float]:
    """Divide a device among engines by the sizes of their models.

    Args:
        models: Model and settings of each engine. A `gpu_memory_utilization` among the settings is left to its
            engine, and the other engines divide the rest.

    Returns:
        The share of `WHOLE` that each engine may take.
    """
    told = sum(float(settings.get("gpu_memory_utilization", 0)) for _, settings in models)
    rest = max(WHOLE - told, 0) / WHOLE
    needs = [0 if _is_told(settings) else _WORKING + _weights(model) for model, settings in models]
    return [rest * need / (sum(needs) or 1) for need in needs]


def memory_settings(settings: Mapping[str, Any], share: float, *, free: int | None) -> dict[str, Any]:
    """Give the settings with which an engine takes its share and no more.

    Args:
        settings: What the user set. Nothing is added where this, or `VLLM_CPU_KVCACHE_SPACE`, tells the memory.
        share: The engine's share of what the engines of its run take together.
        free: Bytes of free memory if the engine runs on the CPU, where a share of the whole memory may not be free.
    """
    if _is_told(settings) or share <= 0:
        return {}
    if free is not None:
        if os.environ.get("VLLM_CPU_KVCACHE_SPACE"):
            return {}
        return {"kv_cache_memory_bytes": int(_CACHE * share * free)}
    return {} if share == 1 else {"gpu_memory_utilization": round(WHOLE * share, 3)}


def _is_told(settings: Mapping[str, Any]) -> bool:
    return any(name in settings for name in _TOLD)


def _weights(model: str) -> int:
    """Give the bytes of the weights in a folder; 0 for a name on the hub."""
    return sum(file.stat().st_size for file in Path(model).glob("*.safetensors"))
