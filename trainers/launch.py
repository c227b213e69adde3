"""Starts the processes of a training, one for each device, with accelerate's launcher; they share every batch."""

import logging
import os
from argparse import Namespace
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson
import torch
from accelerate.commands.config import load_config_from_file
from accelerate.commands.launch import launch_command, launch_command_parser
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from trl.cli.accelerate_config import resolve_accelerate_config_argument
from yaml import YAMLError

from critique_graph.core.errors import InputError, MissingDependencyError, RunError, first_line
from critique_graph.trainers.model_card import Training
from critique_graph.trainers.progress import TrainingProgress
from critique_graph.trainers.rows import TrainedTask
from critique_graph.trainers.settings import LAUNCH, TrainSettings
from critique_graph.trainers.train import sft_settings
from critique_graph.trainers.training_folder import FOLDER, RESULT

ELASTIC = ("torch.distributed.elastic.multiprocessing.api", "torch.distributed.elastic.agent.server.api")
"""Loggers that would say at length what `_reason` says in a line."""


def launch_training(
    task: TrainedTask, data: str, model: str, out: Path, settings: TrainSettings, *, progress: TrainingProgress
) -> Training | None:
    """Train with one process for each device; None where this process can do it alone.

    The first process shows the progress and writes the files; the same call again goes on from the last checkpoint.

    Raises:
        InputError: There are not as many devices, the batch cannot be divided among them, or the configuration of
            accelerate cannot be used.
        MissingDependencyError: The configuration needs DeepSpeed.
        RunError: A process failed or died; the message says which one and why.
    """
    told = launcher_arguments(settings)
    if told.num_processes == 1 and settings.accelerate_config is None:
        return None
    sft_settings(settings, processes=told.num_processes)  # can the batch be divided?
    order = {"task": task, "data": data, "model": model, "out": str(out), "quiet": progress.hand_over()}
    order["settings"] = settings.model_dump(mode="json", exclude={*LAUNCH})
    told.module, told.training_script = True, "critique_graph.trainers.launched"
    told.training_script_args = [orjson.dumps(order).decode()]
    for name in ELASTIC:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    with TemporaryDirectory() as logs:
        told.log_dir = logs
        told.redirects = ",".join(f"{rank}:{3 if rank else 1}" for rank in range(told.num_processes))
        try:
            launch_command(told)
        except ChildFailedError as error:
            raise RunError(_reason(error, told.num_processes, Path(logs))) from None
        except SignalException:
            raise KeyboardInterrupt from None
        except ImportError as error:
            raise MissingDependencyError(
                "deepspeed", extra="train", purpose="This configuration", install="pip install deepspeed"
            ) from error
    return Training.model_validate_json((out / FOLDER / RESULT).read_bytes())


def launcher_arguments(settings: TrainSettings) -> Namespace:
    """Give the arguments of `accelerate launch`; which program it starts is left to fill in.

    Raises:
        InputError: There are not as many devices, or the configuration cannot be used.
    """
    visible, name = torch.accelerator.device_count(), settings.accelerate_config
    if name is not None and not visible:
        raise InputError(f"--accelerate-config {name}: there is neither a GPU nor an NPU here.")
    flags, count, machines = ["--multi_gpu", "--num_machines", "1"], 1, 1
    if name is not None:
        flags, count = _configured(name), visible
        if Path(name).is_file():
            file = load_config_from_file(name)
            count, machines = file.num_processes, file.num_machines or 1
    else:
        flags += ["--mixed_precision", "no", "--dynamo_backend", "no"]
    if settings.devices is not None:
        count = max(1, visible) if settings.devices == "auto" else settings.devices
    if visible and count > visible * machines:
        raise InputError(f"{count} devices are asked for, and there are {visible * machines}.")
    if not visible:
        flags += ["--num_cpu_threads_per_process", str(max(1, (os.cpu_count() or 1) // count))]
    if machines == 1:
        flags += ["--main_process_port", "0"]
    told: Namespace = launch_command_parser().parse_args([*flags, "--num_processes", str(count), "-m", "program"])
    return told


def _configured(name: str) -> list[str]:
    """Give the flag for a configuration of accelerate: a file, or the name of one that TRL ships."""
    try:
        flags = resolve_accelerate_config_argument(["--accelerate_config", name])
        load_config_from_file(flags[-1])
    except (ValueError, TypeError, YAMLError) as error:
        raise InputError(f"--accelerate-config {name}: {first_line(error)}") from error
    return list(flags)


def _reason(error: ChildFailedError, count: int, logs: Path) -> str:
    """Say in one line why a training failed: what its first failed process has recorded, or how it ended."""
    rank, failure = error.get_first_failure()
    recorded = failure.error_file_data.get("message")
    if isinstance(recorded, dict):  # by `launched.py`
        return str(recorded["message"]).partition(": ")[2]
    how = failure.signal_name() if failure.exitcode < 0 else f"exit code {failure.exitcode}"
    said = [line for file in logs.rglob(f"{failure.local_rank}/stderr.log") for line in file.read_text().splitlines()]
    last = f": {said[-1].strip()}" if said else ""
    return f"process {rank} of {count} ended with {how}{last}. The same command goes on from the last checkpoint."
