"""While a server is out, the calls of a run wait for it; after a bound they fail."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import httpx
import pytest
from fakes import ScriptedModel, reply
from langchain_core.messages import AIMessage, HumanMessage

from critique_graph.calls import breaker, caller
from critique_graph.calls.breaker import Breakers, Patience
from critique_graph.calls.caller import MAX_ATTEMPTS, Caller, CallKey
from critique_graph.core.errors import ModelCallError
from critique_graph.core.schema import Failure, Reply

PROBE = "1 + 1 ="


class Status(Exception):
    """An error with a status, as HTTP clients raise it."""

    def __init__(self, status: int, **headers: str) -> None:
        super().__init__(f"status {status}")
        self.status_code = status
        self.response = httpx.Response(status, headers={name.replace("_", "-"): text for name, text in headers.items()})


class Server:
    """Answers as long as it is not out, and counts calls and probes."""

    def __init__(self, outage: Callable[[], BaseException | None]) -> None:
        self.calls = self.probes = 0
        self._outage = outage
        self.model = ScriptedModel(answer=self._answer)

    def _answer(self, messages: Sequence[Any]) -> AIMessage | BaseException:
        is_probe = messages[-1].text == PROBE
        self.probes += is_probe
        self.calls += not is_probe
        return self._outage() or reply("4")


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breaker, "_FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(breaker, "_LONGEST_PAUSE_SECONDS", 0.02)
    monkeypatch.setattr(caller, "_BACKOFF_BASE_SECONDS", 0.001)


async def calls(model: ScriptedModel, count: int) -> list[Reply | Failure]:
    call = Caller(model, "actor", temperature=0.5, max_tokens=9, seed=3)
    keys = (CallKey(f"p{index}", "actor", 0, 0) for index in range(count))
    return list(await asyncio.gather(*(call([HumanMessage("2 + 2?")], key) for key in keys)))


def out_for(seconds: float, *errors: BaseException) -> Callable[[], BaseException | None]:
    """An outage that begins at the first call and shows these errors in turn."""
    began: list[float] = []
    shown = 0

    def outage() -> BaseException | None:
        nonlocal shown
        began.append(time.monotonic())
        shown += 1
        return errors[shown % len(errors)] if began[-1] - began[0] < seconds else None

    return outage


@pytest.mark.parametrize(
    "errors",
    [
        (ConnectionError("refused"),),
        (TimeoutError("hangs"),),
        (Status(500),),
        (Status(503),),
        (Status(503, retry_after="9999"),),
        (ConnectionError("reset"), TimeoutError("hangs"), Status(502)),
        (ModelCallError(Failure(kind="connection", message="the stream ended before the reply did")),),
        (ModelCallError(Failure(kind="server", message="an error with status 200: loading")),),
    ],
    ids=lambda errors: "+".join(map(repr, errors)),
)
@pytest.mark.parametrize("count", [1, 40])
async def test_calls_wait_through_an_outage(errors: tuple[BaseException, ...], count: int) -> None:
    server = Server(out_for(0.3, *errors))
    async with Breakers(Patience(outage=30)) as breakers:
        outcomes = await calls(server.model, count)
    assert [type(outcome) for outcome in outcomes] == [Reply] * count
    assert breakers.lost is None
    assert server.probes > 1


async def test_one_prober_asks_for_one_token_while_all_others_wait() -> None:
    server = Server(out_for(0.3, ConnectionError("refused")))
    async with Breakers(Patience(outage=30)):
        await calls(server.model, 200)
    assert server.calls == 400  # all at once into the outage, and all once more
    assert server.probes < 40
    probe = next(
        settings
        for prompt, settings in zip(server.model.prompts, server.model.settings, strict=True)
        if prompt[-1].text == PROBE
    )
    assert probe["max_tokens"] == 1


async def test_calls_that_begin_in_an_outage_are_not_sent() -> None:
    server = Server(out_for(0.3, ConnectionError("refused")))
    async with Breakers(Patience(outage=30)):
        first = asyncio.create_task(calls(server.model, 5))
        await asyncio.sleep(0.1)
        sent = server.calls
        later = asyncio.create_task(calls(server.model, 50))
        await asyncio.sleep(0.1)
        assert server.calls == sent
        assert all(isinstance(outcome, Reply) for outcome in [*await first, *await later])


async def test_server_that_is_out_for_too_long_is_lost() -> None:
    server = Server(lambda: ConnectionError("refused"))
    async with Breakers(Patience(outage=0.2)) as breakers:
        began = time.monotonic()
        outcomes = await calls(server.model, 10)
        sent = server.calls
        outcomes += await calls(server.model, 10)
    assert time.monotonic() - began < 10
    assert breakers.lost == "ScriptedModel was out for 0 s: ConnectionError: refused"
    assert {(outcome.kind, outcome.message) for outcome in outcomes} == {("connection", breakers.lost)}  # type: ignore[union-attr]
    assert server.calls == sent


@pytest.mark.parametrize("patience", [Patience(outage=0), None], ids=["no patience", "no run"])
async def test_without_patience_a_call_fails_after_its_attempts(patience: Patience | None) -> None:
    server = Server(lambda: Status(500))
    if patience is None:
        outcomes = await calls(server.model, 3)
    else:
        async with Breakers(patience):
            outcomes = await calls(server.model, 3)
    assert [outcome.attempts for outcome in outcomes if isinstance(outcome, Failure)] == [MAX_ATTEMPTS] * 3
    assert server.probes == 0


@pytest.mark.parametrize(
    "error",
    [Status(429), Status(429, retry_after="0"), Status(408), Status(400), Status(401), ValueError("bad"),
     ModelCallError(Failure(kind="invalid_reply", message="choices is []"))],
    ids=repr,
)  # fmt: skip
async def test_answers_of_a_server_at_work_are_no_outage(error: BaseException) -> None:
    server = Server(lambda: error)
    async with Breakers(Patience(outage=30)) as breakers:
        outcomes = await calls(server.model, 20)
    assert all(isinstance(outcome, Failure) for outcome in outcomes)
    assert (server.probes, breakers.lost) == (0, None)


async def test_pause_that_a_busy_server_asks_for_is_honoured() -> None:
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    answers = iter([Status(429, retry_after="70"), None])
    server = Server(lambda: next(answers))
    async with Breakers(Patience()):
        call = Caller(server.model, "actor", 0.5, 9, seed=3, sleep=sleep)
        assert isinstance(await call([HumanMessage("2 + 2?")], CallKey("p", "actor", 0, 0)), Reply)
    assert pauses[0] >= 70
    assert server.probes == 0


async def test_prompt_that_breaks_a_sound_server_fails_alone() -> None:
    def answer(messages: Sequence[Any]) -> AIMessage | BaseException:
        return Status(500) if messages[-1].text == "2 + 2?" else reply("4")

    model = ScriptedModel(answer=answer)
    async with Breakers(Patience(outage=30)) as breakers:
        (outcome,) = await calls(model, 1)
    assert outcome == Failure(kind="server", message="Status: status 500", attempts=MAX_ATTEMPTS)
    assert breakers.lost is None


async def test_prompt_that_brings_the_server_down_again_and_again_fails_in_the_end() -> None:
    down = 0

    def answer(messages: Sequence[Any]) -> AIMessage | BaseException:
        nonlocal down
        if messages[-1].text == "2 + 2?":
            down = 2
            return ConnectionError("reset")
        down -= 1
        return ConnectionError("refused") if down > 0 else reply("4")

    model = ScriptedModel(answer=answer)
    async with Breakers(Patience(outage=30)):
        (outcome,) = await calls(model, 1)
    assert isinstance(outcome, Failure)
    assert outcome.kind == "connection"
    assert outcome.attempts < 30


async def test_server_that_serves_nobody_yet_is_still_out() -> None:
    answers = iter([ConnectionError("refused")] * 5 + [Status(404), Status(401), None, None])
    server = Server(lambda: next(answers))
    async with Breakers(Patience(outage=30)):
        outcomes = await calls(server.model, 1)
    assert isinstance(outcomes[0], Reply)
    assert server.probes == 3


class Hanging(ScriptedModel):
    """Hangs in its first calls."""

    hanging: int
    seen: int = 0

    async def _agenerate(self, *args: Any, **kwargs: Any) -> Any:
        self.seen += 1
        if self.seen <= self.hanging:
            await asyncio.Event().wait()
        return await super()._agenerate(*args, **kwargs)


async def test_request_that_hangs_is_given_up_and_sent_again() -> None:
    model = Hanging(hanging=1, replies=["4"])
    async with Breakers(Patience(call_timeout=0.05)):
        (outcome,) = await calls(model, 1)
    assert isinstance(outcome, Reply)
    assert outcome.call.attempts == 2


async def test_request_that_always_hangs_is_a_timeout() -> None:
    model = Hanging(hanging=100)
    async with Breakers(Patience(call_timeout=0.05, outage=0)):
        (outcome,) = await calls(model, 1)
    assert outcome == Failure(kind="timeout", message="TimeoutError: no reply within 0.05 s", attempts=MAX_ATTEMPTS)


async def test_waiting_for_a_slot_is_no_time_of_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breaker, "MOST_AT_ONCE", 1)

    class Slow(ScriptedModel):
        async def _agenerate(self, *args: Any, **kwargs: Any) -> Any:
            await asyncio.sleep(0.03)
            return await super()._agenerate(*args, **kwargs)

    model = Slow(answer=lambda messages: "4")
    async with Breakers(Patience(call_timeout=0.2)):
        outcomes = await calls(model, 20)
    assert [outcome.call.attempts for outcome in outcomes if isinstance(outcome, Reply)] == [1] * 20


async def test_waiting_in_the_queue_of_a_local_engine_is_no_time_of_the_call() -> None:
    class Local(ScriptedModel):
        runs_in_process: ClassVar[bool] = True

        async def _agenerate(self, *args: Any, **kwargs: Any) -> Any:
            await asyncio.sleep(0.1)
            return await super()._agenerate(*args, **kwargs)

    async with Breakers(Patience(call_timeout=0.01)):
        (outcome,) = await calls(Local(replies=["4"]), 1)
    assert isinstance(outcome, Reply)
    assert outcome.call.attempts == 1


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("http://127.0.0.1:8000/v1", "http://127.0.0.1:8000"),
        ("https://user:secret@host/v1?key=secret", "https://host"),
    ],
)
def test_roles_on_one_server_share_a_breaker_whose_name_holds_no_secret(url: str, name: str) -> None:
    class Served(ScriptedModel):
        openai_api_base: str | None = None

    breakers = Breakers(Patience())
    actor, critic, other = (Served(openai_api_base=base) for base in (url, url, "http://other/v1"))
    assert breakers.of(actor) is breakers.of(critic)
    assert breakers.of(actor) is not breakers.of(other)
    assert breakers.of(actor).server == name


async def test_leaving_ends_the_prober() -> None:
    server = Server(lambda: ConnectionError("refused"))
    async with Breakers(Patience(outage=1000)):
        waiting = asyncio.create_task(calls(server.model, 5))
        await asyncio.sleep(0.1)
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert asyncio.all_tasks() == {asyncio.current_task()}
