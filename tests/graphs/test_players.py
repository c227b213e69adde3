"""Models that LangChain has wrapped: bound arguments are kept, and what cannot work is refused by the factory."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from every_graph import EVERY_GRAPH
from fakes import ScriptedModel, critique_text, solution
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models import FakeListLLM
from langchain_core.output_parsers import StrOutputParser
from langchain_core.runnables import ConfigurableField, RunnableLambda

from critique_graph import run_problems
from critique_graph.core.schema import Problem
from critique_graph.graphs.actor_critic import create_actor_critic
from critique_graph.improve.graph import create_self_improve
from critique_graph.models.load import load_model

QUESTION = {"question": "What is 3 + 4?"}


def actor() -> ScriptedModel:
    return ScriptedModel(answer=lambda messages: solution(7))


def critic() -> ScriptedModel:
    return ScriptedModel(answer=lambda messages: critique_text("Correct"))


@pytest.mark.parametrize(
    ("bind", "kept"),
    [
        pytest.param(lambda model: model.bind(top_p=0.9), {"top_p": 0.9}, id="one argument"),
        pytest.param(lambda model: model.bind(top_p=0.9).bind(min_p=0.1), {"top_p": 0.9, "min_p": 0.1}, id="twice"),
        pytest.param(lambda model: model.with_config(tags=["a"]).bind(top_k=3), {"top_k": 3}, id="after with_config"),
        pytest.param(lambda model: model.bind(top_k=3).with_config(tags=["a"]), {"top_k": 3}, id="before with_config"),
        pytest.param(lambda model: model.with_config(tags=["a"]), {}, id="with_config alone"),
        pytest.param(lambda model: model.bind(), {}, id="nothing bound"),
    ],
)
def test_bound_arguments_reach_every_call_beside_the_graphs_own(bind: Callable[[Any], Any], kept: dict[str, Any]):
    played = (actor(), critic())
    bound = [bind(model) for model in played]
    result = create_actor_critic(*bound, temperature=0.5, max_tokens=9, critic_max_tokens=9).compile().invoke(QUESTION)

    assert result["answer"] == "7"
    for model in played:
        (settings,) = model.settings
        assert {name: settings.get(name) for name in kept} == kept
        assert settings["max_tokens"] == 9
        assert isinstance(settings["seed"], int)
    assert result["chains"][0]["response"]["call"]["model"] == "scripted"


def test_stop_strings_can_be_bound():
    model = actor()
    seen: list[Any] = []

    class Stops(ScriptedModel):
        def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Any:
            seen.append(stop)
            return model._generate(messages)

    create_actor_critic(Stops().bind(stop=["END"]), critic(), rounds=0).compile().invoke(QUESTION)

    assert seen == [["END"]]


async def test_callbacks_of_with_config_are_called():
    class Counts(BaseCallbackHandler):
        started = 0

        def on_chat_model_start(self, *args: Any, **kwargs: Any) -> None:
            Counts.started += 1

    graph = create_actor_critic(actor().with_config(callbacks=[Counts()]), critic(), rounds=0, samples=3).compile()
    await graph.ainvoke(QUESTION)

    assert Counts.started == 3


REFUSED = [
    pytest.param(lambda m: m.with_retry(), TypeError, r"without .with_retry\(\): the graph retries", id="retry"),
    pytest.param(lambda m: m.with_fallbacks([actor()]), TypeError, r"without .with_fallbacks\(\)", id="fallbacks"),
    pytest.param(lambda m: m.with_retry().bind(top_p=1), TypeError, r"without .with_retry", id="bound retry"),
    pytest.param(lambda m: m.bind(top_p=1).with_retry(), TypeError, r"without .with_retry", id="retry of a bound one"),
    pytest.param(
        lambda m: m.bind(top_p=1).with_fallbacks([m]), TypeError, "without .with_fallbacks", id="fallbacks of"
    ),
    pytest.param(lambda m: m.bind(temperature=1), ValueError, "temperature is bound to the model", id="temperature"),
    pytest.param(lambda m: m.bind(seed=1).bind(top_p=1), ValueError, "seed is bound to the model", id="seed below"),
    pytest.param(lambda m: m.bind(max_tokens=1), ValueError, "max_tokens is bound to the model", id="max_tokens"),
    pytest.param(lambda m: m | StrOutputParser(), TypeError, "got RunnableSequence", id="sequence"),
    pytest.param(
        lambda m: m.configurable_fields(model=ConfigurableField(id="model")),
        TypeError,
        "got RunnableConfigurableFields",
        id="configurable",
    ),
    pytest.param(lambda m: RunnableLambda(lambda x: x), TypeError, "got RunnableLambda", id="function"),
    pytest.param(lambda m: type(m), TypeError, "got ModelMetaclass", id="class"),
    pytest.param(lambda m: FakeListLLM(responses=["a"]), TypeError, "got FakeListLLM", id="no chat model"),
    pytest.param(lambda m: None, TypeError, "got NoneType", id="None"),
    pytest.param(lambda m: 7, TypeError, "got int", id="number"),
]


@pytest.mark.parametrize(("wrap", "error", "message"), REFUSED)
def test_what_cannot_work_is_refused_by_the_factory_in_one_line(wrap: Any, error: type[Exception], message: str):
    for make in (lambda model: create_actor_critic(model, critic()), lambda model: create_actor_critic(actor(), model)):
        with pytest.raises(error, match=message) as caught:
            make(wrap(actor()))
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", EVERY_GRAPH)
def test_every_factory_refuses_and_takes_the_same(name: str):
    reference = {**QUESTION, "reference": "7"}

    assert EVERY_GRAPH[name](actor().bind(top_p=0.9), critic().bind(top_p=0.9)).compile().invoke(reference)["usage"]
    with pytest.raises(TypeError, match=r"actor: pass the model without .with_retry\(\)"):
        EVERY_GRAPH[name](actor().with_retry(), critic())


def test_self_improvement_refuses_a_wrapped_critic_when_it_is_created():
    with pytest.raises(TypeError, match=r"critic: pass the model without .with_retry\(\)"):
        create_self_improve(critic=critic().with_retry())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="test_critic: a run does not record bound arguments"):
        create_self_improve(test_critic=critic().bind(top_p=0.9))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wrap", "message"),
    [
        (lambda model: model.with_retry(), r"actor: pass the model without .with_retry\(\)"),
        (lambda model: model.bind(top_p=0.9), "actor: a run does not record bound arguments"),
    ],
)
def test_runs_refuse_wrapped_models(wrap: Any, message: str, tmp_path: Any):
    with pytest.raises(TypeError, match=message):
        run_problems([Problem(id="p", question="q")], out=tmp_path / "run", actor=wrap(actor()), critic=critic())
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("spec", [None, 7, ScriptedModel])
def test_load_model_refuses_what_is_no_model(spec: Any):
    with pytest.raises(TypeError, match="A model is a model string or a chat model, got"):
        load_model(spec)


def test_bound_model_is_cancelled_retried_and_recorded_like_any_other():
    model = ScriptedModel(replies=[ConnectionError("gone"), solution(7)])
    graph = create_actor_critic(model.bind(top_p=0.9), critic(), rounds=0).compile()

    result = asyncio.run(graph.ainvoke(QUESTION))

    assert result["chains"][0]["response"]["call"]["attempts"] == 2
