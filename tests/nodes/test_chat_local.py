"""Local models in streams: a server hands their metadata on to its callers, so it names no folder of the machine."""

from typing import Any

import pytest
from langgraph.graph import START, MessagesState, StateGraph

from critique_graph.miniature import weights_path
from critique_graph.nodes.chat_transformers import ChatTransformers

FOLDER = str(weights_path("actor"))
MESSAGES = {"messages": [("user", "2 + 3 =")]}


@pytest.fixture(scope="module")
def model() -> ChatTransformers:
    return ChatTransformers(model=FOLDER, max_tokens=2)


@pytest.fixture(scope="module")
def graph(model: ChatTransformers) -> Any:
    builder = StateGraph(MessagesState)
    builder.add_node("ask", lambda state: {"messages": [model.invoke(state["messages"])]})
    builder.add_edge(START, "ask")
    return builder.compile()


@pytest.mark.parametrize("mode", ["messages", "values", "updates", "debug", "tasks"])
def test_no_stream_of_a_graph_names_the_folder(graph: Any, mode: Any):
    parts = repr(list(graph.stream(MESSAGES, stream_mode=mode)))

    assert FOLDER not in parts
    assert ("'model_name': 'actor'" in parts) or mode == "tasks"


async def test_no_event_of_a_graph_names_the_folder(graph: Any):
    assert FOLDER not in repr([event async for event in graph.astream_events(MESSAGES, version="v2")])


async def test_no_chunk_of_a_reply_names_the_folder(model: ChatTransformers):
    assert FOLDER not in repr([chunk async for chunk in model.astream("2 + 3 =")])
    assert FOLDER not in repr(list(model.stream("2 + 3 =")))


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("Qwen/Qwen2.5-0.5B-Instruct", "Qwen/Qwen2.5-0.5B-Instruct"),
        ("gpt2", "gpt2"),
        ("/home/ann/models/actor", "actor"),
        ("/home/ann/runs/1/iteration-2/model/", "model"),
        ("runs/improved/iteration-1/model", "runs/improved/iteration-1/model"),
    ],
)
def test_name_on_the_hub_is_kept_and_a_folder_is_called_by_its_own_name(given: str, shown: str):
    assert ChatTransformers(model=given)._get_ls_params()["ls_model_name"] == shown
