"""How much memory a training needs, found before its weights are loaded.

The model is built on torch's meta device, which has shapes and no data, and read once: every tensor that the backward
pass would need is counted there, for any architecture. Optimizer states and gradients follow from the weights.
"""

import warnings
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, PretrainedConfig, PreTrainedModel

from critique_graph.trainers.quantized import BYTES_A_WEIGHT

_STATES = {"8bit": 2, "4bit": 1, "adafactor": 0, "sgd": 0}
"""Bytes of states per trained weight, by a part of the optimizer's name; AdamW has two numbers of the weight's type."""
_TILE_TOKENS, _TILE_ENTRIES = 4096, 32_768
"""Number of tokens and of entries of the vocabulary whose log-probabilities are computed at once (TRL 1.16)."""
_TILES = 9
"""Number of such tiles in float32 that a step holds where they are computed by torch alone (8.3 as measured)."""

_READ = 509
"""Number of tokens that the model reads to be measured: a prime, which is no other size of a model."""


@dataclass(frozen=True)
class Footprint:
    """Bytes that a training needs on its device, with rows of a given length."""

    parameters: int
    """Number of weights."""
    trained: int
    """Number of weights that are trained, those of adapters included."""
    weights: int
    gradients: int
    optimizer: int
    row: int
    """Activations of one row that are kept for the backward pass."""
    row_checkpointed: int
    """Activations of one row with checkpointing: what every layer reads, and all of the layer that is at work."""
    length: int
    """Number of tokens of a row."""
    head_token: int
    """Log-probabilities of a token while they are computed, of the first `_TILE_TOKENS` tokens at most."""
    head: int
    """Gradients of the head before they are added to those of the other weights."""

    @property
    def fixed(self) -> int:
        """Bytes that do not depend on the number of rows."""
        return self.weights + self.gradients + self.optimizer + self.head

    def activations(self, rows: int, *, checkpointing: bool) -> int:
        """Give the bytes of activations of this many rows at once, log-probabilities included."""
        kept = rows * (self.row_checkpointed if checkpointing else self.row)
        return kept + min(rows * self.length, _TILE_TOKENS) * self.head_token


def footprint(
    config: PretrainedConfig,
    *,
    length: int,
    dtype: torch.dtype,
    compute: torch.dtype,
    optimizer: str,
    head: Any = AutoModelForCausalLM,
    adapters: Any = None,
    is_quantized: bool = False,
    has_kernels: bool = False,
    shards: int = 1,
) -> Footprint:
    """Measure the footprint of a training.

    Args:
        config: Configuration of the model.
        length: Number of tokens of the longest row.
        dtype: Type in which the weights are held.
        compute: Type in which the model computes; if it is smaller, copies of the weights are held, too.
        optimizer: Name of the optimizer in transformers.
        head: The auto class of transformers that the model is loaded with.
        adapters: Configuration of adapters (peft); None trains all weights.
        is_quantized: Whether linear layers are held in 4 bits (`quantized.py`); `dtype` is the type of the rest.
        has_kernels: Whether log-probabilities are computed in place by kernels of Triton, as on CUDA.
        shards: Number of devices that divide weights, gradients and states among them (FSDP, ZeRO 3).
    """
    with torch.device("meta"), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)  # peft 0.21
        config = deepcopy(config)  # the model writes into it
        config.use_cache = False
        model: Any = head.from_config(config, dtype=compute)
        linear = _linear_weights(model) if is_quantized else 0
        if adapters is not None:
            from peft import get_peft_model

            model = get_peft_model(model, adapters, autocast_adapter_dtype=False)
    parameters = {id(weight): weight for weight in model.parameters()}.values()
    total = sum(weight.numel() for weight in parameters)
    trained = sum(weight.numel() for weight in parameters if weight.requires_grad)
    size = dtype.itemsize
    if adapters is not None:  # peft holds them in float32, and TRL over quantized weights in bfloat16
        size = (torch.bfloat16 if is_quantized else torch.float32).itemsize
    state = next((each for name, each in _STATES.items() if name in optimizer), 2 * size)
    copies = compute.itemsize if compute.itemsize < dtype.itemsize else 0
    base = model.get_base_model() if adapters is not None else model
    whole = _kept(base) * length // _READ
    boundary = length * config.get_text_config().hidden_size * compute.itemsize
    layers = config.get_text_config().num_hidden_layers
    scores = model.get_output_embeddings()  # none in a model that labels tokens
    entries = 0 if scores is None else min(scores.weight.shape[0], _TILE_ENTRIES)
    head_size = scores.weight.numel() if scores is not None and scores.weight.requires_grad else 0
    return Footprint(
        parameters=total,
        trained=trained,
        weights=int((total - linear) * (dtype.itemsize + copies) + linear * BYTES_A_WEIGHT) // shards,
        gradients=trained * size // shards,
        optimizer=trained * state // shards,
        row=whole,
        row_checkpointed=layers * boundary + whole // layers,
        length=length,
        head_token=entries * (compute.itemsize if has_kernels else _TILES * torch.float32.itemsize),
        head=head_size * torch.float32.itemsize,
    )


def _linear_weights(model: Any) -> int:
    """Give the number of weights in linear layers; the head is none of those that are quantized."""
    head = model.get_output_embeddings()
    return sum(
        layer.weight.numel() for layer in model.modules() if isinstance(layer, torch.nn.Linear) and layer is not head
    )


def _kept(model: PreTrainedModel) -> int:
    """Give the bytes of activations that a model on the meta device keeps of `_READ` tokens for its backward pass."""
    weights = {weight.untyped_storage()._cdata for weight in model.parameters()}
    kept: dict[int, tuple[Any, int]] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        # Real devices compute attention in pieces and never hold a matrix of all tokens by all tokens.
        if storage._cdata not in weights and tensor.shape[-2:] != (_READ, _READ):
            kept[storage._cdata] = (storage, storage.nbytes())  # held, so that its address is not used again
        return tensor

    row = torch.zeros(1, _READ, dtype=torch.long, device="meta")
    mask = torch.zeros(1, 1, 1, _READ, dtype=model.dtype, device="meta")
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        model.train().base_model(input_ids=row, attention_mask=mask)
    return sum(size for _, size in kept.values())
