"""Find this machine's accelerator and what it can do, for the `hf:` engine, the trainers and `doctor`.

`torch-npu`, where installed, registers itself with torch, so an Ascend NPU is found like any other device.
"""

from dataclasses import dataclass

import torch

_BACKENDS = {"cuda": "nccl", "npu": "hccl"}
"""Backend of torch.distributed by device; other devices use `gloo`."""


@dataclass(frozen=True)
class Accelerator:
    """A device, and how to use it."""

    device: torch.device
    has_bf16: bool
    """Whether training in bfloat16 is supported and faster."""
    backend: str
    """Backend through which processes that train together communicate."""
    optimizer: str
    """Name, in transformers, of the fastest AdamW."""

    @property
    def dtype(self) -> torch.dtype | str:
        """Type to load weights in: as stored, except on a CPU, where half precision is several times slower."""
        return torch.float32 if self.device.type == "cpu" else "auto"


def find_accelerator(name: str = "auto") -> Accelerator:
    """Give the device called `name`; `auto` is the accelerator (CUDA, NPU, MPS) if there is one, else the CPU."""
    device = _device(name)
    return Accelerator(
        device=device,
        has_bf16=_has_bf16(device.type),
        backend=_BACKENDS.get(device.type, "gloo"),
        optimizer="adamw_torch_npu_fused" if device.type == "npu" else "adamw_torch_fused",
    )


def free_memory() -> None:
    """Return memory that no tensor uses to the device."""
    empty = getattr(getattr(torch, _device("auto").type, None), "empty_cache", None)
    if empty is not None:
        empty()


def _device(name: str) -> torch.device:
    if name != "auto":
        return torch.device(name)
    accelerator = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    return accelerator or torch.device("cpu")


def _has_bf16(kind: str) -> bool:
    if kind == "mps":
        return bool(torch.backends.mps.is_macos_or_newer(14, 0))
    module = getattr(torch, kind, None)  # torch.cuda, torch.npu
    supported = getattr(module, "is_bf16_supported", None)
    return kind != "cpu" and supported is not None and bool(supported())
