"""Calls of a model with a pool of servers: where they go, and what becomes of them when servers fail."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from fakes import ScriptedModel, reply
from langchain_core.messages import AIMessage, HumanMessage

from critique_graph.calls import breaker, caller, routes
from critique_graph.calls.breaker import Breakers, Patience
from critique_graph.calls.caller import MAX_ATTEMPTS, Caller, CallKey
from critique_graph.calls.routes import chosen_server
from critique_graph.calls.traffic import ServerCalls, counted_traffic
from critique_graph.core.schema import Failure, Reply

A, B, C = (f"http://{name}:8000/v1" for name in "abc")
PROBE = "1 + 1 ="


class Status(Exception):
    """An error with a status, as HTTP clients raise it."""

    def __init__(self, status: int, **headers: str) -> None:
        super().__init__(f"status {status}")
        self.status_code = status
        self.response = httpx.Response(status, headers={name.replace("_", "-"): text for name, text in headers.items()})


class PooledModel(ScriptedModel):
    """A model whose servers are a function: of the address, it gives an error, or None where the server answers."""

    server_pool: str = ",".join((A, B, C))


class Servers:
    """Remembers who was asked what; `errors` is what servers raise."""

    def __init__(self, *, pool: str = ",".join((A, B, C))) -> None:
        self.errors: dict[str, Callable[[], BaseException]] = {}
        self.asked: list[tuple[str, str]] = []
        """The address, and the last message."""
        self.model = PooledModel(answer=self._answer, server_pool=pool)

    def _answer(self, messages: Sequence[Any]) -> AIMessage | BaseException:
        server = chosen_server()
        assert server is not None
        self.asked.append((server, messages[-1].text))
        return self.errors[server]() if server in self.errors else reply("4")

    def calls(self) -> Counter[str]:
        """Count the calls by server, without probes."""
        return Counter(server for server, text in self.asked if text != PROBE)

    async def play(self, problems: int = 60, calls: int = 1, *, begin: int = 0) -> list[Reply | Failure]:
        """Make calls of problems, those of a problem one after the other."""
        call = Caller(self.model, "actor", temperature=0.5, max_tokens=9, seed=3)

        async def solve(problem: str) -> list[Reply | Failure]:
            return [await call([HumanMessage(problem)], CallKey(problem, "actor", 0, place)) for place in range(calls)]

        ended = await asyncio.gather(*(solve(f"p{number}") for number in range(begin, begin + problems)))
        return [outcome for outcomes in ended for outcome in outcomes]


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breaker, "_FIRST_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(breaker, "_LONGEST_PAUSE_SECONDS", 0.002)
    monkeypatch.setattr(caller, "_BACKOFF_BASE_SECONDS", 0.001)
    monkeypatch.setattr(routes, "TICK_SECONDS", 0.01)


@pytest.fixture
def servers() -> Servers:
    return Servers()


def are_replies(outcomes: Sequence[Reply | Failure]) -> bool:
    return all(isinstance(outcome, Reply) for outcome in outcomes)


async def test_calls_of_a_problem_go_to_one_server(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "clock", lambda: 0.0)  # all servers are as fast
    outcomes = []
    for number in range(30):  # one after the other, so that loads do not count
        outcomes += await servers.play(1, calls=3, begin=number)
    places: dict[str, set[str]] = {}
    for server, text in servers.asked:
        places.setdefault(text, set()).add(server)
    assert are_replies(outcomes)
    assert [len(used) for used in places.values()] == [1] * 30
    assert set(servers.calls()) == {A, B, C}


async def test_nothing_is_lost_when_a_server_is_killed(servers: Servers) -> None:
    with counted_traffic() as traffic:
        async with Breakers(Patience(outage=30)) as breakers:
            await servers.play(60)
            servers.errors[A] = lambda: ConnectionError("refused")
            outcomes = await servers.play(60, begin=60)
            failures = traffic.servers[A].failed
            outcomes += await servers.play(60, begin=120)
    assert are_replies(outcomes)
    assert breakers.lost is None
    assert failures > 0
    assert traffic.servers[A].failed == failures  # it is left alone
    assert traffic.servers[A].answered + traffic.servers[B].answered + traffic.servers[C].answered == 180
    assert (A, PROBE) in servers.asked


async def test_server_that_comes_back_has_calls_again(servers: Servers) -> None:
    servers.errors[A] = lambda: ConnectionError("refused")
    async with Breakers(Patience(outage=30)):
        await servers.play(60)
        servers.errors.clear()
        await asyncio.sleep(0.05)
        before = servers.calls()[A]
        await servers.play(60, begin=60)
    assert servers.calls()[A] > before


async def test_call_that_failed_goes_to_another_server(servers: Servers) -> None:
    servers.errors[A] = lambda: Status(500)
    outcomes = await servers.play(8)
    assert are_replies(outcomes)
    assert {outcome.call.attempts for outcome in outcomes if isinstance(outcome, Reply)} == {1, 2}


async def test_without_a_run_a_dead_server_is_left_alone_too(servers: Servers) -> None:
    servers.errors[A] = lambda: ConnectionError("refused")
    assert are_replies(await servers.play(60))
    asked = servers.calls()[A]
    assert are_replies(await servers.play(60, begin=60))
    assert servers.calls()[A] == asked


@pytest.mark.parametrize("headers", [{}, {"retry_after": "60"}, {"retry_after": "9999"}], ids=str)
async def test_refusal_of_one_server_costs_no_wait(servers: Servers, headers: dict[str, str]) -> None:
    servers.errors[A] = lambda: Status(429, **headers)
    async with asyncio.timeout(5):
        assert are_replies(await servers.play(60))
    if headers:  # a server that asks for it is left alone
        asked = servers.calls()[A]
        assert are_replies(await servers.play(60, begin=60))
        assert servers.calls()[A] == asked


async def test_refusals_count_as_an_attempt_once_all_servers_refuse(servers: Servers) -> None:
    servers.errors = {server: lambda: Status(429) for server in (A, B, C)}
    (outcome,) = await servers.play(1)
    assert isinstance(outcome, Failure)
    assert (outcome.kind, outcome.attempts) == ("server", 3 * MAX_ATTEMPTS)


async def test_refused_request_is_not_sent_elsewhere(servers: Servers) -> None:
    servers.errors = {server: lambda: Status(400) for server in (A, B, C)}
    (outcome,) = await servers.play(1)
    assert isinstance(outcome, Failure)
    assert (outcome.kind, outcome.attempts) == ("rejected", 1)


async def test_calls_wait_while_all_servers_are_out(servers: Servers) -> None:
    left = iter(range(60))
    error = ConnectionError("refused")

    def out() -> BaseException:
        if next(left, None) is None:
            servers.errors.clear()
        return error

    servers.errors = dict.fromkeys((A, B, C), out)
    async with Breakers(Patience(outage=30)) as breakers:
        assert are_replies(await servers.play(20))
    assert breakers.lost is None


async def test_pool_is_lost_once_all_servers_are_out_for_too_long(servers: Servers) -> None:
    servers.errors = {server: lambda: ConnectionError("refused") for server in (A, B, C)}
    async with Breakers(Patience(outage=0.05)) as breakers:
        outcomes = await servers.play(20)
    assert breakers.lost is not None
    assert breakers.lost.startswith(f"all 3 servers are out ({A}: ConnectionError: refused) for ")
    assert {(outcome.kind, outcome.message) for outcome in outcomes if isinstance(outcome, Failure)} == {
        ("connection", breakers.lost)
    }
    assert len(outcomes) == 20


async def test_file_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "servers.txt"
    file.write_text(f"# two\n{A}\n\n{B}\n")
    servers = Servers(pool=f"@{file}")
    async with Breakers(Patience(outage=30)):
        await servers.play(30)
        assert set(servers.calls()) == {A, B}
        file.write_text(f"{B}\n{C}\n")
        await asyncio.sleep(0.02)
        await servers.play(1)
        await asyncio.sleep(0.02)
        servers.asked.clear()
        assert are_replies(await servers.play(30, begin=30))
    assert set(servers.calls()) == {B, C}


async def test_server_that_joins_has_calls_once_it_answers_a_probe(tmp_path: Path) -> None:
    file = tmp_path / "servers.txt"
    file.write_text(f"{A}\n")
    servers = Servers(pool=f"@{file}")
    servers.errors[B] = lambda: Status(404)  # its model is not loaded yet
    async with Breakers(Patience(outage=30)):
        await servers.play(1)
        file.write_text(f"{A}\n{B}\n")
        await asyncio.sleep(0.02)
        assert are_replies(await servers.play(30))
        assert servers.calls()[B] == 0
        servers.errors.clear()
        await asyncio.sleep(0.05)
        assert are_replies(await servers.play(30, begin=30))
    assert servers.calls()[B] > 0


@pytest.mark.parametrize("text", ["", "nonsense\n", None], ids=["empty", "wrong", "gone"])
async def test_servers_stay_while_the_file_cannot_be_read(
    tmp_path: Path, text: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "servers.txt"
    file.write_text(f"{A}\n{B}\n")
    servers = Servers(pool=f"@{file}")
    async with Breakers(Patience(outage=30)):
        await servers.play(1)
        file.unlink() if text is None else file.write_text(text)
        for begin in range(3):
            await asyncio.sleep(0.02)
            assert are_replies(await servers.play(30, begin=30 * begin))
    assert set(servers.calls()) == {A, B}
    assert [record.message.endswith("The servers stay as they are.") for record in caplog.records] == [True]


async def test_calls_are_counted_by_server_without_credentials() -> None:
    servers = Servers(pool="http://user:secret-word@a/v1,http://b/v1")
    with counted_traffic() as traffic:
        await servers.play(40)
    assert set(traffic.servers) == {"http://***@a/v1", "http://b/v1"}
    assert sum(calls.answered for calls in traffic.servers.values()) == 40


async def test_no_server_has_more_calls_than_its_limit(servers: Servers) -> None:
    in_flight = Counter[str]()
    full, release = asyncio.Event(), asyncio.Event()

    class Held(PooledModel):
        async def _agenerate(self, *given: Any, **settings: Any) -> Any:
            server = chosen_server()
            assert server is not None
            in_flight[server] += 1
            if in_flight.total() == 48:
                full.set()
            await release.wait()
            in_flight[server] -= 1
            return await super()._agenerate(*given, **settings)

    servers.model = Held(answer=servers.model.answer)
    playing = asyncio.create_task(servers.play(200))
    await full.wait()
    await asyncio.sleep(0.05)
    assert in_flight == {A: 16, B: 16, C: 16}
    release.set()
    assert are_replies(await playing)


async def test_one_server_has_no_pool() -> None:
    model = ScriptedModel(answer=lambda _: reply(str(chosen_server())))
    call = Caller(model, "actor", temperature=0.5, max_tokens=9, seed=3)
    with counted_traffic() as traffic:
        outcome = await call([HumanMessage("?")], CallKey("p", "actor", 0, 0))
    assert isinstance(outcome, Reply)
    assert outcome.text == "None"
    assert traffic.servers == dict[str, ServerCalls]()
