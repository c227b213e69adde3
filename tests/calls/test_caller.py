"""One call: its seed, its retries, and its reply or failure."""

import asyncio

import httpx
import pytest
from fakes import ScriptedModel, reply
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage

from critique_graph.calls.caller import MAX_ATTEMPTS, Caller, CallKey, derive_seed
from critique_graph.core.errors import MissingDependencyError
from critique_graph.core.schema import Call, Failure, Reply, Usage

KEY = CallKey("p", "actor", 0, 0)
PROMPT = [HumanMessage("2 + 2?")]


class Pauses:
    """Stands in for `asyncio.sleep` and remembers how long each pause would have been."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


def call(model: ScriptedModel, pauses: Pauses | None = None) -> Reply | Failure:
    caller = Caller(model, "actor", temperature=0.5, max_tokens=9, seed=3, sleep=pauses or Pauses())
    return asyncio.run(caller(PROMPT, KEY))


def test_reply_carries_text_usage_seed_and_finish_reason():
    outcome = call(ScriptedModel(replies=[reply("4", input_tokens=7, output_tokens=2)]))

    assert isinstance(outcome, Reply)
    assert outcome.text == "4"
    assert outcome.call == Call(
        model="scripted",
        seed=derive_seed(3, KEY),
        finish_reason="stop",
        usage=Usage(calls=1, input_tokens=7, output_tokens=2),
        started=outcome.call.started,
        seconds=outcome.call.seconds,
    )


def test_settings_reach_the_model():
    model = ScriptedModel(replies=["4"])
    call(model)
    assert model.settings == [{"temperature": 0.5, "max_tokens": 9, "seed": derive_seed(3, KEY)}]


def test_model_without_a_seed_is_sent_none_and_the_record_says_so():
    caller = Caller(GenericFakeChatModel(messages=iter([AIMessage("4")])), "actor", 0.0, 9, seed=3)

    outcome = asyncio.run(caller(PROMPT, KEY))

    assert isinstance(outcome, Reply)
    assert outcome.call.seed is None


def test_passing_faults_are_retried_with_growing_pauses():
    pauses = Pauses()

    outcome = call(ScriptedModel(replies=[ConnectionError("no"), ConnectionError("no"), "4"]), pauses)

    assert isinstance(outcome, Reply)
    assert outcome.call.attempts == 3
    assert len(pauses.seconds) == 2


def test_retries_are_bounded_and_the_failure_is_typed():
    model = ScriptedModel(replies=[ConnectionError("no")] * 50)

    outcome = call(model)

    assert outcome == Failure(kind="connection", message=outcome.message, attempts=MAX_ATTEMPTS)  # type: ignore[union-attr]
    assert len(model.prompts) == MAX_ATTEMPTS


def test_faults_that_will_not_pass_are_not_retried():
    model = ScriptedModel(replies=[ValueError("bad setting")])

    outcome = call(model)

    assert isinstance(outcome, Failure)
    assert (outcome.kind, outcome.attempts) == ("error", 1)


def test_missing_package_is_not_a_failed_call():
    missing = MissingDependencyError("torch", extra="local", purpose="hf:")
    with pytest.raises(MissingDependencyError):
        call(ScriptedModel(replies=[missing]))


class TooManyRequests(Exception):
    """A 429 as HTTP clients raise it."""

    def __init__(self, retry_after: str) -> None:
        super().__init__("slow down")
        self.status_code = 429
        self.response = httpx.Response(429, headers={"retry-after": retry_after})


def test_pause_a_server_asks_for_is_honoured():
    pauses = Pauses()
    call(ScriptedModel(replies=[TooManyRequests("70"), "4"]), pauses)
    assert pauses.seconds[0] >= 70


def test_server_that_asks_for_hours_is_not_waited_for():
    outcome = call(ScriptedModel(replies=[TooManyRequests("9999"), "4"]))
    assert isinstance(outcome, Failure)
    assert outcome.kind == "server"


def test_lone_surrogates_of_a_server_become_storable_text():
    outcome = call(ScriptedModel(replies=["a\ud800b"]))

    assert isinstance(outcome, Reply)
    assert outcome.text == "a?b"


def test_recorded_reply_is_given_without_a_call():
    recorded = Reply(text="4", call=Call(model="earlier"))

    class Log:
        def recall(self, key: CallKey) -> Reply | None:
            return recorded if key == KEY else None

        def record(self, key: CallKey, reply: Reply) -> None:
            raise AssertionError("nothing new to record")

    model = ScriptedModel()
    caller = Caller(model, "actor", 0.0, 9, seed=3, log=Log())

    assert asyncio.run(caller(PROMPT, KEY)) == recorded
    assert model.prompts == []


def test_seed_depends_on_the_place_alone():
    assert derive_seed(1, KEY) == derive_seed(1, CallKey("p", "actor", 0, 0))
    assert len({derive_seed(1, CallKey("p", "actor", chain, r)) for chain in range(10) for r in range(10)}) == 100
    assert 0 <= derive_seed(1, KEY) < 2**31
