"""`improve` with an actor on servers: a command serves each iteration's weights, and ends before each training."""

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hashed_model import HashedModel, addition_problems
from learning import FakeTrainer, load
from served_models import SERVER, environment, free_port, is_released

from critique_graph.core.errors import InputError, RunError
from critique_graph.improve.actor_server import ActorServer
from critique_graph.improve.problems import ImprovementProblems
from critique_graph.improve.run import improve_actor
from critique_graph.trainers.train_process import Trained, TrainingOrder

pytestmark = pytest.mark.network_loopback

_PROBLEMS = addition_problems(20)
PROBLEMS = ImprovementProblems(_PROBLEMS[:10], _PROBLEMS[10:], [])


class Servers:
    """A command that serves whatever actor it is told, and the settings with which `improve` uses it."""

    def __init__(self, folder: Path) -> None:
        self.start, self.lock, self.port = folder / "start", folder / "lock", free_port()
        self.url = f"http://127.0.0.1:{self.port}/v1"
        self.served = folder / "served.txt"
        self.lock.touch()
        write_actor(self.start, 100)

    def command(self, *flags: str, before: str = "true") -> str:
        """Give the command; it notes each actor that it serves."""
        server = shlex.join([sys.executable, str(SERVER), "--port", str(self.port), "--lock", str(self.lock), *flags])
        script = f'{before} && echo "$1" >> {shlex.quote(str(self.served))} && exec {server} --model "$1"'
        return shlex.join(["sh", "-c", script, "serve"]) + " {model}"

    def settings(self, **more: Any) -> dict[str, Any]:
        """Give the arguments of `improve_actor`."""
        models = {"actor": f"hf:{self.start}", "critic": HashedModel(model="critic")}
        served = {"serve_command": self.command(), "base_url": self.url}
        return {"problems": PROBLEMS, "iterations": 1, "samples": 2, "refinements": 1, **models, **served, **more}

    def names(self) -> list[str]:
        """Give the actors that were served, by the names of their folders."""
        return [Path(line).parent.name + "/" + Path(line).name for line in self.served.read_text().splitlines()]


def write_actor(folder: Path, skill: int) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text("{}")
    (folder / "skill.json").write_text(str(skill))


class ServedTrainer(FakeTrainer):
    """Trains what the servers can load, while `look` looks around."""

    def __init__(self, look: Callable[[], None]) -> None:
        super().__init__()
        self.look = look

    def __call__(self, order: TrainingOrder) -> Trained:
        self.look()
        done = super().__call__(order)
        (order.out / "config.json").write_text("{}")
        return done


@pytest.fixture
def servers(tmp_path: Path, socket_enabled: None, monkeypatch: pytest.MonkeyPatch) -> Servers:
    monkeypatch.setenv("PYTHONPATH", environment()["PYTHONPATH"])
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    return Servers(tmp_path)


def test_servers_have_the_weights_of_each_stage_and_end_before_a_training(servers: Servers, tmp_path: Path) -> None:
    while_training: list[bool] = []
    trainer = ServedTrainer(lambda: while_training.append(is_released(servers.lock)))
    summary = improve_actor(**servers.settings(), out=tmp_path / "out", trainer=trainer)
    assert summary.state == "complete"
    assert servers.names() == [f"{tmp_path.name}/start", "iteration-1/model"]
    assert while_training == [True]
    assert is_released(servers.lock), "the servers end with the improvement"
    (trained,) = summary.iterations
    assert trained.model == f"hf:{tmp_path}/out/iteration-1/model"
    local = improve_actor(
        **servers.settings(serve_command=None, base_url=None),
        out=tmp_path / "local",
        trainer=ServedTrainer(lambda: None),
        load=load,
    )
    assert summary.start is not None
    assert local.start is not None
    assert local.start.validation == summary.start.validation
    assert local.iterations[0].validation == trained.validation


def test_resumed_improvement_serves_the_weights_of_its_stage_alone(servers: Servers, tmp_path: Path) -> None:
    def die() -> None:
        raise RunError("the machine is gone")

    with pytest.raises(RunError, match="the machine is gone"):
        improve_actor(**servers.settings(), out=tmp_path / "out", trainer=ServedTrainer(die))
    assert is_released(servers.lock)
    servers.served.write_text("")
    summary = improve_actor(**servers.settings(), out=tmp_path / "out", trainer=ServedTrainer(lambda: None))
    assert summary.state == "complete"
    assert servers.names() == ["iteration-1/model"], "the exploration was complete"


def test_command_that_fails_is_one_line_and_the_improvement_goes_on_there(servers: Servers, tmp_path: Path) -> None:
    broken = servers.command("--die")
    with pytest.raises(RunError) as caught:
        improve_actor(**servers.settings(serve_command=broken), out=tmp_path / "out", trainer=ServedTrainer(print))
    log = tmp_path / "out" / "servers.log"
    words = "--serve-command failed: loading weights | ValueError: there is no memory left"
    assert str(caught.value) == f"{words} Its log is {log}. The same command again goes on here."
    trainer = ServedTrainer(lambda: None)
    assert improve_actor(**servers.settings(), out=tmp_path / "out", trainer=trainer).state == "complete"


def server_of(servers: Servers, command: str, **more: Any) -> ActorServer:
    return ActorServer(command, servers.url, servers.start.parent / "log", **{"start_seconds": 60, **more})


def test_command_that_hangs_is_ended(servers: Servers) -> None:
    with (
        server_of(servers, "sh -c 'sleep 600' {model}", start_seconds=0) as server,
        pytest.raises(RunError, match=r"did not have the model served within 0 s \(--outage\): .* no server answers"),
    ):
        server.serve(f"hf:{servers.start}")


def test_servers_that_still_have_other_weights_are_not_taken_for_ready(servers: Servers, tmp_path: Path) -> None:
    write_actor(tmp_path / "later", 200)
    with server_of(servers, servers.command()) as earlier:
        earlier.serve(f"hf:{servers.start}")
        with (
            server_of(servers, "true {model}", start_seconds=0) as server,
            pytest.raises(RunError, match=r"does not list .*/later"),
        ):
            server.serve(f"hf:{tmp_path / 'later'}")


def test_actor_on_servers_is_prompted_and_named_as_in_this_process(servers: Servers) -> None:
    server = server_of(servers, servers.command())
    model: Any = server.model(f"hf:{servers.start}")
    assert not model.is_trained_here
    assert model.recorded_name.startswith("openai:start@")
    (servers.start / "training").mkdir()
    assert model.is_trained_here
    shipped: Any = server.model("miniature:actor")
    assert shipped.is_trained_here


def test_command_may_end_once_others_serve_the_weights(servers: Servers) -> None:
    with server_of(servers, servers.command()) as elsewhere, server_of(servers, "true {model}") as server:
        elsewhere.serve(f"hf:{servers.start}")
        server.serve(f"hf:{servers.start}")
        assert server.model(f"hf:{servers.start}").invoke("What is 2 + 3?").text


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"base_url": None}, "--base-url must say where its servers are"),
        ({"serve_command": "vllm serve start"}, r"write \{model\} where the path of the weights belongs"),
        ({"serve_command": "vllm serve '{model}"}, "No closing quotation"),
    ],
)
def test_impossible_command_is_found_before_anything_is_done(
    settings: dict[str, Any], message: str, servers: Servers, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        improve_actor(**servers.settings(**settings), out=tmp_path / "out", trainer=FakeTrainer())
    assert not (tmp_path / "out").exists()
