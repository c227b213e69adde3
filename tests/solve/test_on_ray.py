"""A run on Ray with a Ray that plays the tasks here (`fake_ray`); `test_real_ray.py` runs the real one."""

import importlib
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import orjson
import pytest
from hashed_model import HashedModel
from killable_run import traces_without_seconds
from killable_shard import PROBLEMS, SETTINGS, play

from critique_graph.calls import caller as calls
from critique_graph.cli import run_command
from critique_graph.core.errors import InputError, MissingDependencyError, RunError
from critique_graph.core.schema import Problem
from critique_graph.runs import ray_tasks
from critique_graph.solve.on_ray import run_on_ray
from critique_graph.solve.summary import Summary

FAKE = Path(__file__).parents[1] / "fake_ray"


def forget_ray() -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "ray"]:
        del sys.modules[name]


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(FAKE))
    monkeypatch.chdir(tmp_path)
    forget_ray()
    yield importlib.import_module("ray")
    forget_ray()


def play_on_ray(
    folder: Path, tasks: int | None = 3, *, model: Any = None, problems: list[Problem] = PROBLEMS, **settings: Any
) -> Summary:
    model = model or HashedModel()
    return run_on_ray(problems, out=folder, tasks=tasks, actor=model, critic=model, **{**SETTINGS, **settings})


def found(summary: Summary) -> dict[str, Any]:
    """What a summary says, less what the clock decides."""
    return summary.model_dump(mode="json", exclude={"seconds", "run"})


def test_run_on_ray_is_the_run_of_one_process(ray: ModuleType, tmp_path: Path):
    whole = play(tmp_path / "whole")
    on_ray = play_on_ray(tmp_path / "ray")

    assert found(on_ray) == found(whole)
    assert on_ray.run == str(tmp_path / "ray")
    assert traces_without_seconds(tmp_path / "ray") == traces_without_seconds(tmp_path / "whole")
    assert (tmp_path / "ray" / "run.yaml").read_bytes() == (tmp_path / "whole" / "run.yaml").read_bytes()


def test_what_ray_is_asked_for(ray: ModuleType, tmp_path: Path):
    ray.resources.update(CPU=4.0)
    play_on_ray(tmp_path / "one", tasks=None)
    assert [task["name"] for task in ray.tasks] == [f"critique-graph {index}/4" for index in range(1, 5)]
    assert {(task["num_cpus"], task["num_gpus"], task["max_retries"]) for task in ray.tasks} == {(1, 0, 3)}
    (cluster,) = ray.clusters
    assert (cluster["address"], cluster["include_dashboard"], cluster["log_to_driver"]) == ("local", False, False)

    ray.resources.update(GPU=2.0)
    ray.tasks.clear()
    play_on_ray(tmp_path / "two", tasks=None, gpus=0.5, address="auto")
    assert [task["num_gpus"] for task in ray.tasks] == [0.5] * 4
    assert "include_dashboard" not in ray.clusters[-1]


def test_model_in_the_process_takes_a_gpu_where_there_is_one(ray: ModuleType, tmp_path: Path):
    pytest.importorskip("torch")
    ray.resources.update(GPU=2.0)
    run_on_ray(out=tmp_path / "run", limit=2, rounds=0)
    assert [task["num_gpus"] for task in ray.tasks] == [1.0, 1.0]


def test_there_are_no_more_shards_than_problems(ray: ModuleType, tmp_path: Path):
    ray.resources.update(CPU=64.0)
    assert play_on_ray(tmp_path / "run", tasks=None).done == len(ray.tasks) == len(PROBLEMS)


def test_finished_shards_are_not_run_again(ray: ModuleType, tmp_path: Path):
    first = play_on_ray(tmp_path / "run")
    ray.tasks.clear()
    again = play_on_ray(tmp_path / "run", tasks=None)

    assert found(again) == found(first)
    assert ray.tasks == []


def test_only_shards_with_something_left_run_again(ray: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(calls, "MAX_ATTEMPTS", 1)
    failing = HashedModel(faults={"What is 4 +": ConnectionError("refused")})
    assert play_on_ray(tmp_path / "run", model=failing).failed == 1
    ray.tasks.clear()
    mended = play_on_ray(tmp_path / "run")

    assert [task["name"] for task in ray.tasks] == ["critique-graph 2/3"]
    assert found(mended) == found(play(tmp_path / "whole"))


def test_new_problems_at_the_end_are_taken(ray: ModuleType, tmp_path: Path):
    play_on_ray(tmp_path / "run", limit=4)
    assert found(play_on_ray(tmp_path / "run", limit=8)) == found(play(tmp_path / "whole", limit=8))


def test_fault_of_a_shard_names_it_and_the_others_are_kept(ray: ModuleType, tmp_path: Path):
    class Broken(HashedModel):
        def _generate(self, messages: Any, *args: Any, **kwargs: Any) -> Any:
            if "What is 4 +" in messages[0].text:
                raise RunError("the disk is full.")
            return super()._generate(messages, *args, **kwargs)

    with pytest.raises(RunError, match=r"^shard 2/3: the disk is full\. The same command goes on with what is fin"):
        play_on_ray(tmp_path / "run", model=Broken())
    ray.tasks.clear()
    assert found(play_on_ray(tmp_path / "run")) == found(play(tmp_path / "whole"))
    assert [task["name"] for task in ray.tasks] == ["critique-graph 2/3"]


def test_exception_in_a_task_is_one_line(ray: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ray, "get", lambda reference: 1 / 0)

    with pytest.raises(ZeroDivisionError):  # not of a task
        play_on_ray(tmp_path / "run")

    def lost(reference: Any) -> Any:
        raise ray.exceptions.RayTaskError(ValueError("first\nsecond"))

    monkeypatch.setattr(ray, "get", lost)
    with pytest.raises(RunError, match=r"^shard 1/2, 2/2: internal error, ValueError: first\. The same command"):
        play_on_ray(tmp_path / "other", tasks=2)


def test_signal_stops_all_shards_and_the_same_call_goes_on(
    ray: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    wait = ray.wait

    def interrupted(*arguments: Any, **options: Any) -> Any:
        signal.raise_signal(signal.SIGINT)
        monkeypatch.setattr(ray, "wait", wait)
        return wait(*arguments, **options)

    monkeypatch.setattr(ray, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        play_on_ray(tmp_path / "run")
    ray.tasks.clear()

    assert found(play_on_ray(tmp_path / "run")) == found(play(tmp_path / "whole"))
    assert [task["name"] for task in ray.tasks] == ["critique-graph 2/3", "critique-graph 3/3"]


def test_budget_is_divided_and_what_it_sufficed_for_is_shown(ray: ModuleType, tmp_path: Path):
    stopped = play_on_ray(tmp_path / "run", tasks=2, run_calls=60, concurrency=1)

    assert (stopped.state, stopped.exit_code()) == ("stopped_early", 4)
    assert stopped.reason is not None
    assert stopped.reason.startswith("shard 1/2: ")
    assert "30 calls" in stopped.reason
    assert 0 < stopped.done < stopped.problems == len(PROBLEMS)
    assert found(play_on_ray(tmp_path / "run", tasks=2, run_calls=1000)) == found(play(tmp_path / "whole"))


def test_other_settings_and_problems_are_refused_before_any_task(ray: ModuleType, tmp_path: Path):
    play_on_ray(tmp_path / "run")
    ray.tasks.clear()

    with pytest.raises(RunError, match="samples was 2, is now 3"):
        play_on_ray(tmp_path / "run", samples=3)
    with pytest.raises(RunError, match=r"has 3 shards\. Use --ray-tasks 3"):
        play_on_ray(tmp_path / "run", tasks=2)
    assert ray.tasks == []


def test_fresh_starts_over_with_other_shards(ray: ModuleType, tmp_path: Path):
    play_on_ray(tmp_path / "run", samples=3)

    anew = play_on_ray(tmp_path / "run", tasks=2, fresh=True)
    assert found(anew) == found(play(tmp_path / "whole"))


def test_run_of_one_process_is_not_replaced(ray: ModuleType, tmp_path: Path):
    play(tmp_path / "whole", limit=2)
    with pytest.raises(RunError, match="whole holds a run without --ray"):
        play_on_ray(tmp_path / "whole")

    play_on_ray(tmp_path / "run", limit=2)
    play(tmp_path / "run")  # goes on with the merged run
    with pytest.raises(RunError, match="run holds a run without --ray"):
        play_on_ray(tmp_path / "run")


def test_node_without_the_disk_is_named(ray: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    get = ray.get

    def on_another_disk(reference: Any) -> Any:
        (tmp_path / "run" / "shards" / "plan.json").write_bytes(orjson.dumps({"shards": 2, "token": "old"}))
        return get(reference)

    monkeypatch.setattr(ray, "get", on_another_disk)
    with pytest.raises(RunError, match=r"^shard 1/2, 2/2: \S+ does not have \S+shards or .* disk that all nodes share"):
        play_on_ray(tmp_path / "run", tasks=2)


def test_shards_are_made_by_ray_alone(ray: ModuleType, tmp_path: Path):
    with pytest.raises(InputError, match="leave --shard 1/2 out"):
        play_on_ray(tmp_path / "run", shard="1/2")


def test_models_that_cannot_be_sent_are_refused(ray: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def remote(self: Any, argument: Any) -> Any:
        raise TypeError("cannot pickle '_thread.lock' object\nand much more")

    monkeypatch.setattr(ray.Task, "remote", remote)
    with pytest.raises(InputError, match="cannot be sent to processes of Ray; name models and the task by strings"):
        play_on_ray(tmp_path / "run")


def test_no_cluster_is_one_line(ray: ModuleType, capsys: pytest.CaptureFixture[str]):
    ray.unreachable.append("auto")

    assert run_command(["run", "--ray", "auto", "--limit", "2"]) == 2
    shown = capsys.readouterr().err
    assert shown == "critique-graph: --ray auto: Could not find any running Ray instance at auto.\n"


def test_ray_flags_need_a_cluster(capsys: pytest.CaptureFixture[str]):
    assert run_command(["run", "--ray-tasks", "2"]) == 2
    assert "set ray, too" in capsys.readouterr().err


def test_without_the_package_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "ray", None)

    with pytest.raises(MissingDependencyError, match=r"--ray needs ray: pip install \"critique-graph\[ray\]\""):
        play_on_ray(tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_progress_counts_problems_and_shards(ray: ModuleType, tmp_path: Path):
    progress = ray_tasks.ShardsProgress(quiet=True)
    play_on_ray(tmp_path / "run", progress=progress)
    assert progress.line().plain == "10/10 problems · 3 of 3 shards finished"
