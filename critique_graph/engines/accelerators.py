"""Find this machine's accelerator and what it can do, for the `hf:` engine, the trainers and `doctor`.

`torch-npu`, where installed, registers itself with torch, so an Ascend NPU is found like any other device.
"""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import torch

_BACKENDS = {"cuda": "nccl", "npu": "hccl"}
"""Backend of torch.distributed by device; other devices use `gloo`."""
_VISIBLE = {"cuda": "CUDA_VISIBLE_DEVICES", "npu": "ASCEND_RT_VISIBLE_DEVICES"}
"""Variable that says which devices a process sees, by device."""


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


@dataclass(frozen=True)
class VisibleDevices:
    """The accelerators that this process sees, and may give to processes that it starts."""

    variable: str
    """Environment variable that says which devices a process sees; empty on a machine without such devices."""
    names: tuple[str, ...]
    """Their names, as the variable takes them."""

    def environment(self, index: int, parts: int) -> dict[str, str]:
        """Give the variable for one of several processes that share the devices equally; none where there are none."""
        each = len(self.names) // parts
        mine = self.names[index * each : (index + 1) * each]
        return {self.variable: ",".join(mine)} if mine else {}


def visible_devices() -> VisibleDevices:
    """Give the GPUs or NPUs that this process sees."""
    kind = _device("auto").type
    variable = _VISIBLE.get(kind, "")
    if not variable:
        return VisibleDevices("", ())
    count: int = getattr(torch, kind).device_count()  # torch.cuda, torch.npu
    named = [name.strip() for name in os.environ.get(variable, "").split(",") if name.strip()]
    return VisibleDevices(variable, tuple(named[:count] or map(str, range(count))))


def free_memory() -> None:
    """Return memory that no tensor uses to the device."""
    empty = getattr(getattr(torch, _device("auto").type, None), "empty_cache", None)
    if empty is not None:
        empty()


def available_memory(device: torch.device, processes: int = 1) -> int:
    """Give the bytes of memory that are free on a device.

    For one of several processes this is its share of the whole memory, so that all of them find the same number.
    """
    if device.type == "cpu":
        import psutil

        memory = psutil.virtual_memory()
        free = min(memory.available, _container_limit()) if processes == 1 else memory.total // processes
        return int(free)
    if device.type == "mps":
        return int(torch.mps.recommended_max_memory()) - int(torch.mps.driver_allocated_memory())
    free_memory()
    free, total = getattr(torch, device.type).mem_get_info()  # torch.cuda, torch.npu
    return int(free) if processes == 1 else int(total)


def _container_limit() -> int:
    """Give the bytes that a container leaves its processes; a very large number where there is no limit."""
    try:
        limit, used = (int(Path("/sys/fs/cgroup", name).read_text()) for name in ("memory.max", "memory.current"))
    except (OSError, ValueError):  # no container, or "max"
        return sys.maxsize
    return max(0, limit - used)


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
