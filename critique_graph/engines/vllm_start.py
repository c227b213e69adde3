"""The surroundings of a vLLM engine's start: files, environment, log, and why a start failed.

The log of vLLM and the output of its processes go to a file; its last lines explain a start that failed.
"""

import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from critique_graph.core.errors import InputError, first_line

_ENVIRONMENT = {
    "VLLM_WORKER_MULTIPROC_METHOD": "spawn",  # forking a process that has threads or uses CUDA does not work
    "VLLM_NO_USAGE_STATS": "1",
}
_LOGGING = "critique-graph-logging.json"
_MEMORY = re.compile(r"out of memory|available memory|larger than the available|free memory|MemoryError", re.IGNORECASE)


def check_files(model: str) -> None:
    """Refuse a folder that does not contain a model that can be served.

    Raises:
        InputError: There is no configuration, or there are no safetensors weights.
    """
    folder = Path(model)
    if not folder.is_dir():
        return  # a name on the hub; vLLM says what is wrong with it
    if not (folder / "config.json").is_file():
        raise InputError(f"vllm:{model}: the folder holds no model (no config.json).")
    if not any(folder.glob("*.safetensors")):
        raise InputError(
            f"vllm:{model}: there are no safetensors weights. Pickled ones (.bin, .pt) can run code when they are "
            "loaded and are refused; save the model again with `save_pretrained`."
        )


def inspect_models_by(module: str) -> None:
    """Have vLLM run another module in the process in which it inspects the class of a model."""
    from vllm.model_executor.models import registry

    registry._SUBPROCESS_COMMAND = [sys.executable, "-m", module]


def start_failure(model: str, error: Exception, log: Path | None) -> str:
    """Say in one line why vLLM did not start, and what can be done about it."""
    words = log.read_text(errors="replace") if log is not None and log.is_file() else ""
    causes = re.findall(r"\b\w+(?:Error|Exception): .+", words)
    cause = first_line(error)
    if causes and "root cause" in cause:  # vLLM's way to say that another process knows more
        cause = causes[-1].strip()
    where = f" (log: {log})" if words else ""
    if "trust_remote_code" in f"{error} {cause}":
        return f"vllm:{model}: the checkpoint comes with code of its own, which is not run here: {cause}{where}"
    if _MEMORY.search(f"{error} {cause}"):
        return (
            f"vllm:{model}: not enough memory to start: {cause}{where}. Lower max_model_len; gpu_memory_utilization is "
            "the share of the device that this engine takes, VLLM_CPU_KVCACHE_SPACE the GiB on a CPU."
        )
    return f"vllm:{model} did not start: {cause}{where}"


def prepare_environment() -> Path | None:
    """Set the environment that vLLM reads on import; give its log file, or None if the user configured logging."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    if os.environ.get("VLLM_CONFIGURE_LOGGING") == "0":
        return None
    given = os.environ.get("VLLM_LOGGING_CONFIG_PATH")
    if given is not None:
        own = Path(given).with_name("vllm.log")
        return own if given.endswith(_LOGGING) else None
    folder = Path(tempfile.mkdtemp(prefix="critique-graph-vllm-"))
    log = folder / "vllm.log"
    level = os.environ.get("VLLM_LOGGING_LEVEL", "INFO").upper()
    configuration = {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"plain": {"format": "%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"}},
        "handlers": {"file": {"class": "logging.FileHandler", "filename": str(log), "formatter": "plain"}},
        "loggers": {"vllm": {"handlers": ["file"], "level": level, "propagate": False}},
    }
    (folder / _LOGGING).write_text(json.dumps(configuration))
    os.environ["VLLM_LOGGING_CONFIG_PATH"] = str(folder / _LOGGING)
    return log


def free_memory() -> int:
    """Give the bytes of memory that are free where vLLM's worker runs on the CPU; a container's limit counts."""
    try:
        from vllm.utils.cpu_resource_utils import get_allowed_cpu_list, get_memory_node_info
    except ImportError:  # vLLM 0.18
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return int(get_memory_node_info(get_allowed_cpu_list()[0].numa_node).available_memory)


@contextmanager
def stderr_to(log: Path | None) -> Iterator[None]:
    """Give processes that start in this block the log as their stderr; this process's Python code keeps its own.

    vLLM's processes print tracebacks, whose main point is in the error of a failed start; nothing else can redirect
    them.
    """
    if log is None or not _is_stderr(sys.stderr):
        yield
        return
    own = sys.stderr
    own.flush()
    with open(os.dup(2), "w", buffering=1, errors="backslashreplace") as kept, log.open("ab") as file:
        os.dup2(file.fileno(), 2)
        sys.stderr = kept
        try:
            yield
        finally:
            sys.stderr = own
            os.dup2(kept.fileno(), 2)


def _is_stderr(stream: object) -> bool:
    """Whether a stream writes to the process's stderr; False if there is no stderr."""
    try:
        return stream.fileno() == 2  # type: ignore[attr-defined, no-any-return]
    except (AttributeError, OSError, ValueError):
        return False
