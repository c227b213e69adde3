"""One process of a training that `launch.py` has started; it records its error there, where it is said once."""

import sys
from pathlib import Path

import orjson
from torch.distributed.elastic.multiprocessing.errors import get_error_handler

from critique_graph.engines.processes import find_processes
from critique_graph.output.terminal import log
from critique_graph.trainers.progress import TrainingProgress
from critique_graph.trainers.train_task import train_task


def train_launched(order: bytes | str) -> int:
    """Train as the order of `launch_training` says, and give the exit code."""
    told = orjson.loads(order)
    is_quiet = told["quiet"] or not find_processes().is_first
    try:
        with TrainingProgress(console=log, quiet=is_quiet) as progress:
            train_task(
                told["task"],
                told["data"],
                model=told["model"],
                out=Path(told["out"]),
                progress=progress,
                **told["settings"],
            )
    except KeyboardInterrupt:
        return 130
    except Exception as error:  # noqa: BLE001 - `launch.py` raises it
        get_error_handler().record_exception(error)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(train_launched(sys.argv[1]))
