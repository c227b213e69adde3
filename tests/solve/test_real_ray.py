"""Runs on a real Ray cluster on this machine. CI runs them in an environment of its own."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ray")

from hashed_model import HashedModel
from killable_run import traces_without_seconds
from killable_shard import PROBLEMS, SETTINGS, MortalModel, play

from critique_graph.runs.folder import read_manifest
from critique_graph.solve.on_ray import run_on_ray
from critique_graph.solve.summary import Summary

pytestmark = [pytest.mark.slow, pytest.mark.network_loopback, pytest.mark.enable_socket]


class Interrupting(HashedModel):
    """Sends SIGINT to the process of the command once, as Ctrl-C does, from the shard of one problem."""

    command: int
    """Id of the process."""

    def _generate(self, *args: Any, **kwargs: Any) -> Any:
        found = super()._generate(*args, **kwargs)
        asked = ["What is 3 +" in prompt for prompt in self.prompts]
        if asked[-1] and sum(asked) == 1:
            os.kill(self.command, signal.SIGINT)
        return found


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
    on_ray = play_on_ray(tmp_path / "ray", MortalModel(last=30))

    assert found(on_ray) == found(whole)
    assert traces_without_seconds(tmp_path / "ray") == traces_without_seconds(tmp_path / "whole")
    assert capfd.readouterr() == ("", "")


def test_interrupted_shards_stop_in_order_and_go_on(tmp_path: Path):
    with pytest.raises(KeyboardInterrupt):
        play_on_ray(tmp_path / "ray", Interrupting(command=os.getpid()))
    manifests = [read_manifest(tmp_path / "ray" / "shards" / f"{index}-of-2") for index in (1, 2)]
    assert {manifest["state"] for manifest in manifests if manifest} <= {"interrupted", "complete"}

    assert found(play_on_ray(tmp_path / "ray", HashedModel())) == found(play(tmp_path / "whole"))
