"""Starting the processes of a training: how many, with which configuration, and what is said when one of them ends."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("trl")

import torch
from accelerate.commands.launch import _validate_launch_command
from datasets import Dataset
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure

from critique_graph.core.errors import InputError, RunError
from critique_graph.trainers.batches import GroupedByLength
from critique_graph.trainers.launch import launch_training, launcher_arguments
from critique_graph.trainers.progress import TrainingProgress
from critique_graph.trainers.settings import TrainSettings
from critique_graph.trainers.train_task import train_task
from critique_graph.trainers.trainer import configured


def with_devices(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: count)


def launched(out: Path, **settings: Any) -> None:
    chosen = TrainSettings(**settings)
    launch_training("critic", "data", "miniature:critic", out, chosen, progress=TrainingProgress(quiet=True))


@pytest.mark.parametrize("count", [1, 2, 8])
@pytest.mark.parametrize("name", ["fsdp1", "fsdp2", "zero1", "zero2", "zero3"])
def test_configurations_that_ship_are_those_of_accelerate(
    name: str, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_devices(monkeypatch, 8)
    told = launcher_arguments(TrainSettings(accelerate_config=name, devices=count))
    read, _, _ = _validate_launch_command(told)
    assert (read.num_processes, read.use_fsdp, read.use_deepspeed) == (count, name[0] == "f", name[0] == "z")


@pytest.mark.parametrize(("devices", "expected"), [("auto", 4), (2, 2)])
def test_devices_are_all_or_as_many_as_are_asked_for(
    devices: Any, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_devices(monkeypatch, 4)
    assert launcher_arguments(TrainSettings(devices=devices)).num_processes == expected
    assert launcher_arguments(TrainSettings(accelerate_config="fsdp2", devices=devices)).num_processes == expected


@pytest.mark.parametrize(("machines", "count"), [(1, 2), (2, 8)])
def test_configuration_of_a_file_says_how_many(
    machines: int, count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_devices(monkeypatch, 4)
    file = tmp_path / "own.yaml"
    known = "compute_environment: LOCAL_MACHINE\ndistributed_type: FSDP\nuse_cpu: false\nmain_process_port: 29600\n"
    file.write_text(f"{known}num_machines: {machines}\nnum_processes: {count}\n")
    told = launcher_arguments(TrainSettings(accelerate_config=str(file)))
    assert told.num_processes == count
    assert told.main_process_port == (0 if machines == 1 else None), "machines meet at the port of the file"


@pytest.mark.parametrize(
    ("visible", "settings", "message"),
    [
        (2, {"devices": 3}, "3 devices are asked for, and there are 2"),
        (0, {"accelerate_config": "fsdp2"}, "neither a GPU nor an NPU"),
        (2, {"accelerate_config": "fsdp9"}, "--accelerate-config fsdp9"),
        (0, {"devices": 3, "batch_size": 4}, "--batch-size 4 is no multiple of --rows-at-once 1 times the 3 processes"),
    ],
)
def test_what_cannot_be_launched_is_refused(
    visible: int, settings: dict[str, Any], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_devices(monkeypatch, visible)
    with pytest.raises(InputError, match=message):
        launched(tmp_path / "model", **settings)
    assert not (tmp_path / "model").exists()


def test_all_devices_of_a_machine_with_one_are_no_reason_to_launch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_devices(monkeypatch, 1)
    assert launched(tmp_path / "model", devices="auto") is None


def test_process_that_died_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = []

    def killed(told: Any) -> None:
        started.append(json.loads(told.training_script_args[0]))
        raise ChildFailedError("train", {1: ProcessFailure(local_rank=1, pid=9, exitcode=-9, error_file="none")})

    monkeypatch.setattr("critique_graph.trainers.launch.launch_command", killed)
    with pytest.raises(RunError, match=r"^process 1 of 2 ended with SIGKILL\. The same command goes on"):
        launched(tmp_path / "model", devices=2, epochs=3.0)
    assert started[0]["settings"]["epochs"] == 3.0
    assert not {"devices", "accelerate_config"} & set(started[0]["settings"]), "they start no processes of their own"


@pytest.mark.parametrize(
    ("task", "rank", "why"), [("critic-rl", None, "one process"), ("critic", "0", "a launcher has started")]
)
def test_devices_are_refused_where_they_cannot_be_used(
    task: Any, rank: str | None, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if rank is not None:
        monkeypatch.setenv("RANK", rank)
    with pytest.raises(InputError, match=f"{why}.*: leave --devices and --accelerate-config out"):
        train_task(task, tmp_path, model="miniature:critic", out=tmp_path / "model", devices=2)


def test_process_never_takes_several_devices() -> None:
    made = configured(lambda **arguments: SimpleNamespace(n_gpu=4, **arguments), output_dir="out")
    assert vars(made) == {"n_gpu": 4, "output_dir": "out", "_n_gpu": 1}


def test_rows_have_one_order_on_any_number_of_devices() -> None:
    class Grouped(GroupedByLength):
        def __init__(self, at_once: int, accumulated: int, processes: int) -> None:
            self.args = SimpleNamespace(  # type: ignore[assignment]
                train_batch_size=at_once, gradient_accumulation_steps=accumulated, world_size=processes
            )
            rows = [{"length": number * 37 % 101, "labels": [-100, number]} for number in range(300)]
            self.train_dataset = Dataset.from_list([*rows, {"length": 1, "labels": [-100]}] if processes > 1 else rows)

        def order(self) -> list[int]:
            torch.manual_seed(0)
            return list(self._get_train_sampler())

    alone = Grouped(8, 1, 1).order()
    assert sorted(alone) == list(range(300)) != alone
    assert Grouped(2, 2, 2).order() == alone  # 300 rows are a multiple of 2 x 2
    assert Grouped(1, 1, 8).order() == [*alone, *[300] * 4]  # the blank row fills the last 8
