"""The graphs inside larger graphs that have a context of their own: only `critique_graph` in it is for them."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest
from every_graph import EVERY_GRAPH, models
from langchain_core.runnables import RunnableLambda
from langgraph.graph import START, StateGraph
from pydantic import BaseModel, ValidationError
from typing_extensions import TypedDict

from critique_graph.core.context import Context, SelfTalkContext
from critique_graph.graphs.actor_critic import create_actor_critic

QUESTION = "Ann has 3 apples and buys 4 more. How many apples has she?"


class ParentState(TypedDict, total=False):
    question: str
    reference: str
    chains: list[Any]
    paths: list[Any]
    talks: list[Any]


@dataclass
class PlainContext:
    user: str = "x"
    samples: int = 5


class TypedContext(TypedDict):
    user: str
    samples: int


class ModelContext(BaseModel):
    """A model whose fields have names of ours, with other meanings."""

    actor: str | None = "Meryl"
    critic: str = "Roger"
    samples: int = 5
    seed: str = "sunflower"


@dataclass
class ContextWithOurs:
    user: str = "x"
    samples: int = 5
    critique_graph: Any = field(default=None)


class ModelContextWithOurs(BaseModel):
    samples: int = 5
    critique_graph: Any = None


FOREIGN = [
    pytest.param(PlainContext, PlainContext(), id="dataclass"),
    pytest.param(TypedContext, {"user": "x", "samples": 5}, id="TypedDict"),
    pytest.param(ModelContext, ModelContext(), id="pydantic model"),
    pytest.param(ModelContext, ModelContext(samples=5, actor="Meryl"), id="pydantic model with fields set"),
    pytest.param(None, {"samples": 5, "vote": "no such rule"}, id="dict without a schema"),
    pytest.param(None, object(), id="object without a schema"),
    pytest.param(None, SelfTalkContext(samples=5), id="settings of another of our graphs"),
]


def parent_of(graph: Any, schema: Any, *, is_called: bool) -> Any:
    """A parent graph with `graph` as its node, or called in its node."""

    def call(state: ParentState) -> Any:
        return graph.invoke(state)

    async def acall(state: ParentState) -> Any:
        return await graph.ainvoke(state)

    parent = StateGraph(ParentState, context_schema=schema)
    parent.add_node("inside", RunnableLambda(call, afunc=acall) if is_called else graph)
    parent.add_edge(START, "inside")
    return parent.compile()


def invoke(graph: Any, context: Any, *, is_async: bool, **given: Any) -> Any:
    asked = {"question": QUESTION, "reference": "7", **given}
    return asyncio.run(graph.ainvoke(asked, context=context)) if is_async else graph.invoke(asked, context=context)


def samples_of(result: Any) -> int:
    """The number of samples of a graph's result."""
    found = result.get("chains") or result.get("paths") or result.get("talks")
    return len([one for one in found if not str(one.get("name", "sample")).startswith("rg")])


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("is_called", [False, True], ids=["as a node", "called in a node"])
@pytest.mark.parametrize("name", EVERY_GRAPH)
def test_every_graph_ignores_a_context_that_is_not_its_own(name: str, is_called: bool, is_async: bool):
    graph = parent_of(EVERY_GRAPH[name](*models()).compile(), PlainContext, is_called=is_called)

    result = invoke(graph, PlainContext(), is_async=is_async)

    assert samples_of(result) == (1 if name == "judge" else 2)


@pytest.mark.parametrize(("schema", "context"), FOREIGN)
@pytest.mark.parametrize("is_called", [False, True], ids=["as a node", "called in a node"])
def test_fields_of_our_names_in_a_foreign_context_are_not_settings(schema: Any, context: Any, is_called: bool):
    graph = parent_of(create_actor_critic(*models(), samples=2).compile(), schema, is_called=is_called)

    assert samples_of(invoke(graph, context, is_async=False)) == 2


@pytest.mark.parametrize(
    ("schema", "context"),
    [
        pytest.param(ContextWithOurs, ContextWithOurs(critique_graph={"samples": 3}), id="dict in a dataclass"),
        pytest.param(ContextWithOurs, ContextWithOurs(critique_graph=Context(samples=3)), id="settings in a dataclass"),
        pytest.param(ModelContextWithOurs, {"critique_graph": {"samples": 3}}, id="dict in a pydantic model"),
        pytest.param(TypedContext, {"user": "x", "critique_graph": {"samples": 3}}, id="dict in a TypedDict"),
        pytest.param(None, {"critique_graph": Context(samples=3)}, id="settings in a dict without a schema"),
        pytest.param(Context, Context(samples=3), id="our settings as the parent's context"),
    ],
)
@pytest.mark.parametrize("is_called", [False, True], ids=["as a node", "called in a node"])
def test_parent_sets_the_graphs_inside_it_by_one_key(schema: Any, context: Any, is_called: bool):
    graph = parent_of(create_actor_critic(*models(), rounds=0).compile(), schema, is_called=is_called)

    result = invoke(graph, context, is_async=False)

    assert samples_of(result) == 3
    assert {chain["stop"] for chain in result["chains"]} == {"rounds"}, "rounds=0 of the factory still holds"


@pytest.mark.parametrize(
    ("ours", "error", "message"),
    [
        ({"samples": 0}, ValidationError, "greater than or equal to 1"),
        ({"sampels": 2}, ValidationError, "sampels"),
        ("samples=2", TypeError, "critique_graph in the context must be a dict or Context, got str."),
        (SelfTalkContext(samples=2), TypeError, "must be a dict or Context, got SelfTalkContext."),
    ],
)
def test_parents_settings_for_us_are_checked(ours: Any, error: type[Exception], message: str):
    graph = parent_of(create_actor_critic(*models()).compile(), ContextWithOurs, is_called=False)

    with pytest.raises(error, match=message):
        invoke(graph, ContextWithOurs(critique_graph=ours), is_async=False)


def test_call_in_a_node_can_have_settings_of_its_own():
    graph = create_actor_critic(*models()).compile()
    parent = StateGraph(ParentState, context_schema=PlainContext)
    parent.add_node("inside", lambda state: graph.invoke(state, context={"samples": 4}))
    parent.add_edge(START, "inside")

    assert samples_of(invoke(parent.compile(), PlainContext(), is_async=False)) == 4
