"""QLoRA (Dettmers et al. 2023, arXiv 2305.14314): adapters are trained over weights of 4 bits that stay as they are.

bitsandbytes holds the weights of all linear layers but the head as 4-bit NormalFloat (`nf4`), with their scales
quantized, too; the rest is not quantized.
"""

from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import torch
from accelerate import PartialState
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, PreTrainedModel

from critique_graph.core.errors import MissingDependencyError
from critique_graph.engines.accelerators import Accelerator, find_accelerator
from critique_graph.engines.pretrained import load_weights, with_adapters
from critique_graph.trainers.settings import Weights

BYTES_A_WEIGHT = 0.5 + 1 / 64 + 4 / (64 * 256)
"""Of a quantized weight: 4 bits, its part of a scale of 8 bits for 64 weights, and of one of 4 bytes for 256 scales."""


def load_trainable(path: str | Path, weights: Weights) -> PreTrainedModel:
    """Load a language model that is to be trained, with its weights in this type.

    Raises:
        InputError: There are no safetensors files, or the model needs code of its own.
        MissingDependencyError: `nf4` needs bitsandbytes.
    """
    if weights != "nf4":
        return load_weights(AutoModelForCausalLM, path, dtype=getattr(torch, weights))
    if find_spec("bitsandbytes") is None:
        raise MissingDependencyError("bitsandbytes", extra="train-cuda", purpose="--dtype nf4")
    computed = compute_type(find_accelerator())
    quantization = BitsAndBytesConfig(  # type: ignore[no-untyped-call]
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=computed,
    )
    return load_weights(
        AutoModelForCausalLM,
        path,
        dtype=computed,
        quantization_config=quantization,
        device_map={"": PartialState().device},  # that of this process, where several train together
    )


def compute_type(accelerator: Accelerator) -> torch.dtype:
    """Give the type in which a model with quantized weights computes."""
    return torch.bfloat16 if accelerator.has_bf16 else torch.float32


def merged(model: Any) -> PreTrainedModel:
    """Merge the adapters of a model (peft) into its weights: as they are stored, if it holds them quantized.

    Rounding the merged weights to 4 bits again would lose much of what the adapters learned.
    """
    if not getattr(model.get_base_model(), "is_loaded_in_4bit", False):
        return cast(PreTrainedModel, model.merge_and_unload())
    with TemporaryDirectory() as scratch:
        model.save_pretrained(scratch)
        stored = load_weights(AutoModelForCausalLM, model.get_base_model().name_or_path, dtype=find_accelerator().dtype)
        return cast(PreTrainedModel, with_adapters(stored, scratch).merge_and_unload())
