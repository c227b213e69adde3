"""`critique-graph serve-models` with a scripted vLLM: start, death, restart, end."""

import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Event, Thread

import httpx
import pytest
from served_models import SERVER, environment, free_port, is_released, wait_until

from critique_graph.cli import run_command
from critique_graph.core.addresses import addresses_of
from critique_graph.core.errors import CritiqueGraphError, InputError
from critique_graph.engines.accelerators import VisibleDevices
from critique_graph.serve_models import command
from critique_graph.serve_models.command import ServeModelsSettings, server_orders
from critique_graph.serve_models.pool import check_ports, keep_serving
from critique_graph.serve_models.replica import Replica, ServerOrder

pytestmark = pytest.mark.network_loopback


@pytest.fixture(autouse=True)
def _sockets(socket_enabled: None) -> None:
    pass


class Serving:
    """Servers that a thread keeps in service; all share a lock."""

    def __init__(self, folder: Path, *flags: Sequence[str], start_seconds: float = 60, pauses: Sequence[float] = ()):
        port = free_port(len(flags))
        self.urls, self.lock = folder / "servers.txt", folder / "lock"
        self.stop, self.ready = Event(), list[str]()
        self.error: CritiqueGraphError | None = None
        self.replicas = [
            Replica(
                ServerOrder(
                    [sys.executable, str(SERVER), "--port", str(port + index), "--lock", str(self.lock), *more],
                    port=port + index,
                    log=folder / f"{index}.log",
                    environment={},
                ),
                start_seconds=start_seconds,
                pauses=pauses,
            )
            for index, more in enumerate(flags)
        ]
        self.thread = Thread(target=self._serve)
        self.thread.start()

    def _serve(self) -> None:
        try:
            keep_serving(self.replicas, self.urls, self.stop, ready=self.ready.extend, tick=0.01)
        except CritiqueGraphError as error:
            self.error = error

    def addresses(self) -> tuple[str, ...]:
        try:
            return addresses_of(f"@{self.urls}")
        except InputError:  # no file, or no server in it
            return ()

    def kill(self, index: int) -> None:
        """Have a server end by itself."""
        with pytest.raises(httpx.HTTPError):
            httpx.post(f"{self.replicas[index].order.url.removesuffix('/v1')}/die", trust_env=False)

    def ended(self) -> str:
        """Wait for the end of the thread, and give its error."""
        self.thread.join()
        return str(self.error)


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[list[Serving]]:
    begun: list[Serving] = []
    yield begun
    for each in begun:
        each.stop.set()
        each.thread.join()


def test_file_has_the_servers_once_all_are_ready_and_goes_with_them(tmp_path: Path, serving: list[Serving]) -> None:
    pair = Serving(tmp_path, (), ())
    serving.append(pair)
    wait_until(lambda: bool(pair.ready), "the start")
    urls = tuple(replica.order.url for replica in pair.replicas)
    assert pair.addresses() == tuple(pair.ready) == urls
    assert not is_released(pair.lock)
    pair.stop.set()
    pair.thread.join()
    assert pair.error is None
    assert not pair.urls.exists()
    assert is_released(pair.lock)


def test_server_that_ends_is_started_again_and_leaves_the_file_meanwhile(
    tmp_path: Path, serving: list[Serving], caplog: pytest.LogCaptureFixture
) -> None:
    pair = Serving(tmp_path, (), (), pauses=(0.2,))
    serving.append(pair)
    wait_until(lambda: len(pair.ready) == 2, "the start")
    pair.kill(0)
    wait_until(lambda: pair.addresses() == (pair.ready[1],), "one server in the file")
    wait_until(lambda: len(pair.addresses()) == 2, "the new start")
    assert f"the server at {pair.ready[0]} ended: exit code 1" in caplog.text
    assert "a new start in 0.2 s" in caplog.text
    assert len(pair.ready) == 2, "it is said once that they are ready"


def test_server_that_ends_too_often_is_given_up(
    tmp_path: Path, serving: list[Serving], caplog: pytest.LogCaptureFixture
) -> None:
    pair = Serving(tmp_path, (), ())
    serving.append(pair)
    wait_until(lambda: len(pair.ready) == 2, "the start")
    pair.kill(0)
    wait_until(lambda: pair.addresses() == (pair.ready[1],), "one server in the file")
    assert "it is given up" in caplog.text
    pair.kill(1)
    assert "all servers are given up" in pair.ended()
    assert not pair.urls.exists()


def test_server_that_ends_early_ends_all_and_says_why(tmp_path: Path, serving: list[Serving]) -> None:
    pair = Serving(tmp_path, (), ("--die",), pauses=(0,))
    serving.append(pair)
    log = tmp_path / "1.log"
    words = "ended: loading weights | ValueError: there is no memory left"
    assert pair.ended() == f"the server at {pair.replicas[1].order.url} {words} (log: {log})."
    assert is_released(pair.lock)
    assert pair.ready == []


def test_server_that_is_never_ready_ends_all(tmp_path: Path, serving: list[Serving]) -> None:
    pair = Serving(tmp_path, ("--deaf",), start_seconds=0.1)
    serving.append(pair)
    assert "was not ready within 0.1 s" in pair.ended()
    assert is_released(pair.lock)


class Clock:
    """The time, which the test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_ends_long_ago_do_not_count(tmp_path: Path) -> None:
    port, clock = free_port(), Clock()
    order = ServerOrder([sys.executable, str(SERVER), "--port", str(port)], port, tmp_path / "log", {})
    replica = Replica(order, start_seconds=60, pauses=(0,), clock=clock)

    def become(is_ready: bool) -> None:
        def is_so() -> bool:
            replica.look()
            return replica.is_ready == is_ready

        wait_until(is_so, "the change")

    def end() -> None:
        with pytest.raises(httpx.HTTPError):
            httpx.post(f"http://127.0.0.1:{port}/die", trust_env=False)
        become(False)

    become(True)
    end()
    become(True)
    clock.now += 601
    end()
    assert not replica.is_given_up
    become(True)
    clock.now += 599
    end()
    assert replica.is_given_up


def test_another_file_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "problems.jsonl").write_text("{}\n")
    with pytest.raises(InputError, match="there is another file in its place"):
        keep_serving([], tmp_path / "problems.jsonl", Event(), ready=lambda urls: None)
    assert (tmp_path / "problems.jsonl").read_text() == "{}\n"


def test_port_that_is_taken_is_named(tmp_path: Path) -> None:
    port = free_port()
    order = ServerOrder([sys.executable, str(SERVER), "--port", str(port)], port, tmp_path / "log", {})
    replica = Replica(order, start_seconds=60)

    def is_ready() -> bool:
        replica.look()
        return replica.is_ready

    wait_until(is_ready, "the start")
    with pytest.raises(InputError, match=f"port {port} cannot be used .*: give another --port"):
        check_ports([port])
    (process,) = replica.running()
    process.end()
    check_ports([port])


def orders(monkeypatch: pytest.MonkeyPatch, devices: VisibleDevices, *flags: str, **settings: int) -> list[ServerOrder]:
    monkeypatch.setattr(command, "visible_devices", lambda: devices)
    return server_orders("MODEL", flags, ServeModelsSettings.model_validate(settings))


def test_each_device_has_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    found = orders(monkeypatch, VisibleDevices("CUDA_VISIBLE_DEVICES", ("4", "6")), "--max-model-len", "64")
    assert [order.environment for order in found] == [{"CUDA_VISIBLE_DEVICES": "4"}, {"CUDA_VISIBLE_DEVICES": "6"}]
    assert [order.url for order in found] == ["http://127.0.0.1:8000/v1", "http://127.0.0.1:8001/v1"]
    assert len({order.log for order in found}) == 2
    assert found[1].command[-8:] == (
        *("--load-format", "safetensors", "--max-model-len", "64"),
        *("--host", "127.0.0.1", "--port", "8001"),
    )


def test_fewer_servers_have_several_devices_each(monkeypatch: pytest.MonkeyPatch) -> None:
    devices = VisibleDevices("ASCEND_RT_VISIBLE_DEVICES", tuple("0123456"))
    found = orders(monkeypatch, devices, replicas=3)
    assert [order.environment[devices.variable] for order in found] == ["0,1", "2,3", "4,5"]


def test_machine_without_devices_has_one_server_in_single_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    (found,) = orders(monkeypatch, VisibleDevices("", ()))
    assert found.environment == {}
    assert found.command[-6:-4] == ("--dtype", "float32")
    assert len(orders(monkeypatch, VisibleDevices("", ()), replicas=2)) == 2


def test_more_servers_than_devices_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="--replicas 3: there are 2 devices"):
        orders(monkeypatch, VisibleDevices("CUDA_VISIBLE_DEVICES", ("0", "1")), replicas=3)
    with pytest.raises(InputError, match="there are no 2 ports"):
        orders(monkeypatch, VisibleDevices("", ()), replicas=2, port=65535)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("openai:gpt",), "give hf:NAME_OR_PATH"),
        (("vllm:some/model?max_model_len=64",), "settings of vLLM as flags after two hyphens"),
        (("hf:/nowhere",), "there is no such folder"),
        (("miniature:actor", "--", "--port", "1"), "the port that --port of serve-models says"),
    ],
)
def test_impossible_command_is_one_line(
    arguments: tuple[str, ...], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "find_spec", lambda name: True)
    assert run_command(["serve-models", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_missing_vllm_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(command, "find_spec", lambda name: None)
    assert run_command(["serve-models", "miniature:actor"]) == 2
    assert "serve-models needs vllm" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_command_prints_the_addresses_and_leaves_no_process(number: signal.Signals, tmp_path: Path) -> None:
    port, urls, lock = free_port(2), tmp_path / "servers.txt", tmp_path / "lock"
    line = [sys.executable, "-m", "critique_graph", "serve-models", "miniature:actor", "--replicas", "2"]
    line += ["--port", str(port), "--urls", str(urls), "--", "--lock", str(lock)]
    with subprocess.Popen(
        line, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment()
    ) as process:
        assert process.stdout is not None
        printed = [process.stdout.readline().strip() for _ in range(2)]
        assert printed == [f"http://127.0.0.1:{port + index}/v1" for index in range(2)]
        assert addresses_of(f"@{urls}") == tuple(printed)
        process.send_signal(number)
        assert process.wait() == (0 if number == signal.SIGTERM else -signal.SIGKILL)
    wait_until(lambda: is_released(lock), "the end of the servers")
    assert urls.exists() == (number == signal.SIGKILL)
