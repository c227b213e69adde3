"""What listens to a model's calls hears them; where nothing does, the reply is the one that LangChain gives."""

from typing import Any

import pytest
from fakes import ScriptedModel, critique_text, reply, solution
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.rate_limiters import InMemoryRateLimiter
from pydantic import ConfigDict

from critique_graph.calls.contract import attribute_of
from critique_graph.graphs.actor_critic import create_actor_critic


class Listener(AsyncCallbackHandler):
    """Counts the model calls that begin."""

    calls = 0

    async def on_chat_model_start(self, *args: Any, **kwargs: Any) -> None:
        self.calls += 1


class Informed(ScriptedModel):
    """Says in the places that LangChain merges why a reply ended."""

    async def _agenerate(self, *args: Any, **kwargs: Any) -> ChatResult:
        generation = ChatGeneration(message=AIMessage(solution(7)), generation_info={"finish_reason": "length"})
        return ChatResult(generations=[generation], llm_output={"finish_reason": "stop", "model_name": "m"})


class Wrapped(ScriptedModel):
    """Has its own way from `ainvoke` to the model."""

    async def ainvoke(self, *args: Any, **kwargs: Any) -> AIMessage:
        return reply(solution(9))


async def answers(actor: BaseChatModel, config: Any = None, runs: int = 1) -> list[dict[str, Any]]:
    graph = create_actor_critic(actor, ScriptedModel(replies=[critique_text("Correct")] * runs)).compile()
    return [await graph.ainvoke({"question": "3 + 4?"}, config) for _ in range(runs)]


async def test_callbacks_of_the_graph_hear_every_call():
    listener = Listener()

    await answers(ScriptedModel(replies=[solution(7)]), {"callbacks": [listener]})

    assert listener.calls == 2


async def test_callbacks_of_the_model_hear_its_calls():
    listener = Listener()

    await answers(ScriptedModel(replies=[solution(7)], callbacks=[listener]))

    assert listener.calls == 1


async def test_reply_is_the_same_whether_somebody_listens_or_not():
    (alone,) = await answers(Informed())
    (heard,) = await answers(Informed(), {"callbacks": [Listener()]})

    assert alone["chains"][0]["response"]["call"]["finish_reason"] == "length"
    assert [chain["stop"] for chain in (alone["chains"][0], heard["chains"][0])] == ["truncated", "truncated"]


async def test_cache_of_a_model_is_used():
    model = ScriptedModel(replies=[solution(7)], cache=InMemoryCache())

    first, second = await answers(model, runs=2)

    assert (first["answer"], second["answer"], len(model.prompts)) == ("7", "7", 1)


async def test_rate_limit_of_a_model_holds(monkeypatch: pytest.MonkeyPatch):
    limiter, asked = InMemoryRateLimiter(requests_per_second=1000), []
    monkeypatch.setattr(limiter, "aacquire", lambda **options: _noted(asked))

    await answers(ScriptedModel(replies=[solution(7)], rate_limiter=limiter))

    assert asked == [True]


async def test_model_with_a_way_of_its_own_keeps_it():
    (result,) = await answers(Wrapped(replies=[]))

    assert result["answer"] == "9"


async def _noted(asked: list[bool]) -> bool:
    asked.append(True)
    return True


async def test_name_that_a_model_is_given_between_two_questions_is_recorded():
    actor = ScriptedModel(answer=lambda prompt: solution(7), model="one")
    graph = create_actor_critic(actor, ScriptedModel(replies=[critique_text("Correct")] * 2)).compile()
    names = []
    for name in ("one", "two"):
        actor.model = name
        result = await graph.ainvoke({"question": "3 + 4?"})
        names.append(result["chains"][0]["response"]["call"]["model"])
    assert names == ["one", "two"]


class Open(ScriptedModel):
    """Takes any setting."""

    model_config = ConfigDict(extra="allow")


class Broken(ScriptedModel):
    """Has a property that fails as if it were not there."""

    @property
    def streaming(self) -> bool:
        raise AttributeError("not there")


@pytest.mark.parametrize(
    ("model", "expected"),
    [(ScriptedModel(), None), (Open(streaming=True), True), (Open(), None), (Broken(), None)],
)
def test_attributes_of_models_are_those_that_the_model_has(model: BaseChatModel, expected: object):
    assert attribute_of(model, "streaming") is expected
    assert attribute_of(model, "model") == "scripted"
