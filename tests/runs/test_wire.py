"""Runs against a server that misbehaves: how problems end, and what the same command does once it is put right."""

import socket
from collections.abc import AsyncIterator
from pathlib import Path

import fault_server
import pytest
from fault_server import FAULTS, FaultServer
from hashed_model import addition_problems

from critique_graph.calls import caller
from critique_graph.calls.breaker import Patience
from critique_graph.graphs.actor_critic import create_actor_critic
from critique_graph.nodes.chat_openai import ChatOpenAIServer
from critique_graph.problems.problem_set import ProblemSet
from critique_graph.runs.drive import run_graph
from critique_graph.solve.summary import Summary, summarise

pytestmark = pytest.mark.network_loopback

SETUP = ("401", "403", "404", "redirect", "web page", "web page as JSON", "429 for hours")
REJECTED = ("400", "400 surrogate", "413", "422")
BROKEN = ("reset", "closed half-way", "chunk cut", "no HTTP", "hangs", "500", "503 page", "503 for hours")
INVALID = ("JSON cut", "nothing", "not UTF-8", "deep JSON", "choices empty")


@pytest.fixture
async def url(socket_enabled: None) -> AsyncIterator[str]:
    """The server, in the test's own event loop."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    server = FaultServer(port)
    await server.listen()
    yield f"http://127.0.0.1:{port}"
    server.close()


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caller, "_BACKOFF_BASE_SECONDS", 0.001)


async def play(folder: Path, url: str, path: str, count: int = 3) -> Summary:
    model = ChatOpenAIServer(model="m", base_url=f"{url}/{path}".replace(" ", "%20"))
    return await run_graph(
        lambda journal: create_actor_critic(model, model, log=journal).compile(),
        ProblemSet.of(addition_problems(count)),
        folder,
        {},
        summarise,
        prompts="",
        patience=Patience(call_timeout=0.5, outage=0.3),
    )


@pytest.mark.parametrize("fault", [*SETUP, *BROKEN])
async def test_once_the_server_is_put_right_the_same_command_does_the_problems(
    tmp_path: Path, url: str, fault: str
) -> None:
    end = await play(tmp_path, url, f"always/{fault}/v1")
    assert (end.done, end.failed, end.quarantined) == (0, 3, 0)
    assert (await play(tmp_path, url, "v1")).done == 3


@pytest.mark.parametrize("fault", [*REJECTED, *INVALID])
async def test_a_fault_of_the_problem_itself_quarantines_it(tmp_path: Path, url: str, fault: str) -> None:
    end = await play(tmp_path, url, f"always/{fault}/v1")
    assert (end.done, end.failed, end.quarantined) == (0, 0, 3)
    assert (await play(tmp_path, url, "v1")).quarantined == 3


@pytest.mark.parametrize("fault", [*BROKEN, *INVALID])
async def test_a_fault_that_passes_costs_another_try_and_no_problem(tmp_path: Path, url: str, fault: str) -> None:
    assert (await play(tmp_path, url, f"once/{fault}/v1")).done == 3


def test_every_fault_that_is_used_here_exists() -> None:
    assert {*SETUP, *REJECTED, *BROKEN, *INVALID} <= set(FAULTS)
    assert set(fault_server.PASSING) <= set(FAULTS)
