"""Trains in a separate process, so that the memory of a training and of generating models is never needed at once."""

import fcntl
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from pydantic import ValidationError

from critique_graph.core.errors import RunError
from critique_graph.core.schema import Record
from critique_graph.trainers.rows import Task
from critique_graph.trainers.settings import TrainSettings

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingOrder:
    """Which model to train, on which rows, with which settings."""

    rows: Path
    """File of rows to learn."""
    start: str
    """Model from which training starts."""
    out: Path
    """Folder of the trained model."""
    settings: TrainSettings
    task: Task = "actor"
    """What the model learns."""


class Trained(Record):
    """Record of a finished training."""

    rows: int
    steps: int
    loss_first: float
    loss_last: float
    tokens: int
    seconds: float
    device: str
    learning_rate: float | None = None
    """Peak learning rate; None in records of earlier versions."""


Trainer = Callable[[TrainingOrder], Trained]
"""Trains a model; the same order again gives the record of the finished training."""


def train_in_own_process(order: TrainingOrder) -> Trained:
    """Train a model with `critique-graph train` in another process, with a log beside the model.

    If the training is killed, with or without this process, the same order continues it. If an earlier process began
    the training and it is still running, it holds the lock and this call waits for it.

    Raises:
        RunError: The training failed; the message has the last line of its log.
    """
    order.out.parent.mkdir(parents=True, exist_ok=True)
    log = order.out.with_suffix(".log")
    flags = [
        f"--{name.replace('_', '-')}={value}"
        for name, value in order.settings.model_dump(mode="json", exclude_defaults=True).items()
    ]
    command = [sys.executable, "-m", "critique_graph", "train", order.task, str(order.rows), "--model", order.start]
    command += ["--out", str(order.out), "--json", *flags]
    with _held(order.out) as lock, log.open("a") as said:
        done = subprocess.run(  # noqa: S603 - this very program
            command,
            stdout=subprocess.PIPE,
            stderr=said,
            stdin=subprocess.DEVNULL,
            pass_fds=[lock.fileno()],
            check=False,
        )
    try:
        if done.returncode == 0:
            return Trained.model_validate_json(done.stdout)
    except ValidationError:
        pass
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    reason = lines[-1].strip().removeprefix("critique-graph: ") if lines else f"exit code {done.returncode}"
    raise RunError(f"the training of {order.out} failed: {reason} Its log is {os.path.relpath(log)}.")


def wait_for_training(out: Path) -> None:
    """Wait until a training into this folder ends, if an earlier process began one that is still running."""
    if out.with_suffix(".lock").exists():
        with _held(out):
            pass


@contextmanager
def _held(out: Path) -> Iterator[TextIO]:
    """Hold the lock of a training; the process of the training inherits it."""
    with out.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            logger.warning("waiting for the training that an earlier session began (%s)", lock.name)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock
