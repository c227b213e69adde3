"""Read the settings of vLLM's engine in a model string; only those that can load no code.

A model string may come from a file, or from whoever calls a served graph. `ChatVLLM(engine={...})` takes every setting.
"""

from urllib.parse import parse_qsl

import yaml

from critique_graph.core.errors import InputError

ALLOWED = frozenset(
    {
        "block_size",
        "cpu_offload_gb",
        "data_parallel_size",
        "disable_custom_all_reduce",
        "dtype",
        "enable_chunked_prefill",
        "enable_expert_parallel",
        "enable_lora",
        "enable_prefix_caching",
        "enforce_eager",
        "gpu_memory_utilization",
        "kv_cache_dtype",
        "kv_cache_memory_bytes",
        "lora",
        "max_logprobs",
        "max_lora_rank",
        "max_loras",
        "max_model_len",
        "max_num_batched_tokens",
        "max_num_seqs",
        "pipeline_parallel_size",
        "quantization",
        "revision",
        "seed",
        "swap_space",
        "tensor_parallel_size",
        "tokenizer_revision",
    }
)

Setting = str | int | float | bool


def read_engine_settings(spec: str, settings: str) -> dict[str, Setting]:
    """Read `NAME=VALUE&NAME=VALUE`, which follows the question mark of the model string `spec`.

    Raises:
        InputError: The text has another form, or a setting is not in `ALLOWED`.
    """
    if not settings:
        return {}
    try:
        pairs = parse_qsl(settings, keep_blank_values=True, strict_parsing=True)
    except ValueError:
        raise InputError(f"{spec}: settings are NAME=VALUE, joined by &.") from None
    return {name: _value(spec, name, text) for name, text in pairs}


def _value(spec: str, name: str, text: str) -> Setting:
    if name not in ALLOWED:
        raise InputError(
            f"{spec}: {name} is not allowed in a model string, because settings of vLLM can load code; allowed are "
            f"{', '.join(sorted(ALLOWED))}. In Python, ChatVLLM(engine={{...}}) takes every setting."
        )
    try:
        value = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError):
        value = None
    if not isinstance(value, Setting):
        raise InputError(f"{spec}: {name} must be a number, a word, true or false.")
    return value
