"""Runs on a real Ray cluster on this machine. CI runs them in an environment of its own."""

import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ray")

from hashed_model import HashedModel
from killable_run import traces_without_seconds
from killable_shard import PROBLEMS, SETTINGS, play

from critique_graph.runs.folder import read_manifest
from critique_graph.solve.on_ray import run_on_ray
from critique_graph.solve.summary import Summary

pytestmark = [pytest.mark.slow, pytest.mark.network_loopback, pytest.mark.enable_socket]


class Signalling(HashedModel):
    """Sends a signal at its 31st call in a process: to the process of the command, or to its own."""

    number: int
    """Number of the signal."""
    command: int | None = None
    """Id of the process of the command; None: the own one."""
    marks: Path
    """Folder that has a file for each signal that was sent."""
    most: int
    """Maximum number of signals."""

    def _generate(self, *args: Any, **kwargs: Any) -> Any:
        if len(self.prompts) == 30 and self._is_first():
            os.kill(self.command or os.getpid(), self.number)
        return super()._generate(*args, **kwargs)

    def _is_first(self) -> bool:
        """Claim one of the signals."""
        for place in range(self.most):
            with suppress(FileExistsError):
                (self.marks / str(place)).touch(exist_ok=False)
                return True
        return False


@pytest.fixture(autouse=True)
def workers_import_helpers(monkeypatch: pytest.MonkeyPatch) -> None:
    tests = Path(__file__).parents[1]
    monkeypatch.setenv("PYTHONPATH", f"{tests}{os.pathsep}{tests / 'solve'}")


def play_on_ray(folder: Path, model: HashedModel) -> Summary:
    return run_on_ray(PROBLEMS, out=folder, tasks=2, actor=model, critic=model, **SETTINGS)


def found(summary: Summary) -> dict[str, Any]:
    """What a summary says, less what the clock decides."""
    return summary.model_dump(mode="json", exclude={"seconds", "run"})


def test_two_workers_give_the_run_of_one_process(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    whole = play(tmp_path / "whole")
    on_ray = play_on_ray(tmp_path / "ray", HashedModel())

    assert found(on_ray) == found(whole)
    assert traces_without_seconds(tmp_path / "ray") == traces_without_seconds(tmp_path / "whole")
    assert capfd.readouterr() == ("", "")


def test_shards_whose_processes_are_killed_complete_all_the_same(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    whole = play(tmp_path / "whole")
    on_ray = play_on_ray(tmp_path / "ray", Signalling(number=signal.SIGKILL, marks=tmp_path, most=2))

    assert {mark.name for mark in tmp_path.iterdir() if mark.is_file()} == {"0", "1"}
    assert found(on_ray) == found(whole)
    assert traces_without_seconds(tmp_path / "ray") == traces_without_seconds(tmp_path / "whole")
    assert capfd.readouterr() == ("", "")


def test_interrupted_shards_stop_in_order_and_go_on(tmp_path: Path):
    with pytest.raises(KeyboardInterrupt):
        play_on_ray(tmp_path / "ray", Signalling(number=signal.SIGINT, command=os.getpid(), marks=tmp_path, most=1))
    begun = [log.parent for log in (tmp_path / "ray" / "shards").glob("*-of-2/log.txt")]
    manifests = [read_manifest(folder) or {} for folder in begun]
    assert {manifest["state"] for manifest in manifests} <= {"interrupted", "complete"}

    assert found(play_on_ray(tmp_path / "ray", HashedModel())) == found(play(tmp_path / "whole"))
