"""`langgraph dev` serves the graphs of langgraph.json: started for real, driven through the SDK on the loopback."""

import ast
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

ROOT = Path(__file__).parents[1]
QUESTION = "Ann has 12 apples. Ann buys 15 more. Ann loses 9 apples."
pytestmark = [pytest.mark.slow, pytest.mark.enable_socket]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    import pytest_socket

    pytest_socket.enable_socket()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = tmp_path_factory.mktemp("studio")
    config = json.loads((ROOT / "langgraph.json").read_text())
    (folder / "langgraph.json").write_text(json.dumps(config | {"dependencies": [str(ROOT)]}))
    command = [Path(sys.executable).parent / "langgraph", "dev", "--config", "langgraph.json", "--host", "127.0.0.1",
               "--port", str(port), "--no-browser", "--no-reload"]  # fmt: skip
    environment = os.environ | {
        "LANGGRAPH_CLI_NO_ANALYTICS": "1",
        "LANGGRAPH_NO_VERSION_CHECK": "1",
        "LANGSMITH_TRACING": "false",
        "LANGGRAPH_DISABLE_FILE_PERSISTENCE": "true",
    }
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 120
        while process.poll() is None and time.monotonic() < deadline:
            try:
                if urllib.request.urlopen(f"{url}/ok", timeout=5).status == 200:
                    break
            except (urllib.error.URLError, OSError):
                process_wait(process)
        else:
            pytest.fail(f"langgraph dev did not come up:\n{(folder / 'log').read_text()[-3000:]}")
        yield url
    finally:
        process.terminate()
        process.wait(timeout=30)


def process_wait(process: "subprocess.Popen[bytes]") -> None:
    """Wait a moment, or until the process ends."""
    try:
        process.wait(timeout=0.2)
    except subprocess.TimeoutExpired:
        return


async def test_actor_critic_is_served_described_and_answers(server: str):
    from langgraph_sdk import get_client

    async with get_client(url=server) as client:
        assistants = await client.assistants.search(graph_id="actor_critic")
        schemas = await client.assistants.get_schemas(assistants[0]["assistant_id"])
        result = await client.runs.wait(
            None,
            "actor_critic",
            input={"question": "Ann has 12 apples. Ann buys 15 more. How many apples does Ann have?"},
            context={"samples": 2},
        )

    assert [assistant["graph_id"] for assistant in assistants] == ["actor_critic"]
    assert schemas["context_schema"]["properties"]["samples"]["description"]
    assert {"answer", "chains", "ballot", "usage"} <= result.keys()
    assert len(result["chains"]) == 2
    assert all(chain["response"]["text"] for chain in result["chains"]), result["chains"]


async def test_chat_answers_the_official_client_of_a2a(server: str):
    import httpx
    from a2a.client import A2ACardResolver, ClientConfig, ClientFactory
    from a2a.types import Message, Part, Role, SendMessageRequest
    from langgraph_sdk import get_client

    async with get_client(url=server) as client:
        (assistant,) = await client.assistants.search(graph_id="chat")
    async with httpx.AsyncClient(timeout=120) as http:
        card = await A2ACardResolver(http, f"{server}/a2a/{assistant['assistant_id']}").get_agent_card()
        agent = ClientFactory(ClientConfig(httpx_client=http, streaming=False)).create(card)
        asked = Message(message_id="1", role=Role.ROLE_USER, parts=[Part(text=f"{QUESTION} How many has Ann?")])
        replies = [reply async for reply in agent.send_message(SendMessageRequest(message=asked))]
    assert "chat" in card.name
    (said,) = replies[-1].task.artifacts
    assert "The answer is" in said.parts[0].text


async def test_chat_streams_what_a_chat_page_shows(server: str):
    """agent-chat-ui reads the messages in `values`, and a page of one's own the events of the loop."""
    from langgraph_sdk import get_client

    async with get_client(url=server) as client:
        thread = await client.threads.create()
        asked = {"messages": [{"type": "human", "content": f"{QUESTION} How many has Ann?"}]}
        parts = [
            part
            async for part in client.runs.stream(
                thread["thread_id"], "chat", input=asked, stream_mode=["values", "messages-tuple", "custom"]
            )
        ]
        state = await client.threads.get_state(thread["thread_id"])
    shown = [part.data["messages"] for part in parts if part.event == "values" and "messages" in part.data]
    assert [message["type"] for message in shown[-1]] == ["human", "ai"]
    assert shown[-1][-1]["additional_kwargs"]["critique_graph"]["verdicts"]
    events = [part.data["event"] for part in parts if part.event == "custom"]
    assert events[:2] == ["response", "critique"]
    assert state["values"]["messages"][-1]["content"] == shown[-1][-1]["content"]


async def test_graphs_are_tools_for_the_official_client_of_mcp(server: str):
    from mcp import ClientSession
    from mcp.client.streamable_http import streamable_http_client

    async with (
        streamable_http_client(f"{server}/mcp") as (reading, writing, *_),
        ClientSession(reading, writing) as session,
    ):
        await session.initialize()
        tools = (await session.list_tools()).tools
        called = await session.call_tool("ask", {"question": f"{QUESTION} How many has Ann?"})
    assert {"ask", "actor_critic"} <= {tool.name for tool in tools}
    (content,) = called.content
    assert len(content.text) < 400
    assert "answer" in content.text
    assert "verdicts" in content.text
    assert UUID(ast.literal_eval(content.text)["run_id"])  # the server writes it as Python does


async def test_self_talk_is_served_and_its_settings_are_described(server: str):
    from langgraph_sdk import get_client

    async with get_client(url=server) as client:
        assistants = await client.assistants.search(graph_id="self_talk")
        schemas = await client.assistants.get_schemas(assistants[0]["assistant_id"])
        result = await client.runs.wait(
            None,
            "self_talk",
            input={
                "question": "Ann has 12 apples. Ann buys 15 more. How many apples does Ann have?",
                "reference": "27",
            },
            context={"samples": 3, "repairs": 2},
        )

    assert schemas["context_schema"]["properties"]["repairs"]["description"]
    assert len(result["talks"]) == 3
    assert all(talk["chain"]["response"]["text"] for talk in result["talks"]), result["talks"]


async def test_auto_critique_can_be_followed_step_by_step(server: str):
    from langgraph_sdk import get_client

    async with get_client(url=server) as client:
        parts = client.runs.stream(
            None,
            "auto_critique",
            input={
                "question": "Ann has 12 apples. Ann buys 15 more. How many apples does Ann have?",
                "reference": "27",
            },
            context={"samples": 2, "attempts": 1, "refinements": 2},
            stream_mode="updates",
        )
        updates = [part.data async for part in parts if part.event == "updates"]

    assert [node for update in updates for node in update] == [
        "sample_paths",
        "continue_paths",
        "corrupt_paths",
        "annotate",
        "filter",
    ]
    assert updates[0]["sample_paths"]["paths"][0]["response"]["text"]


async def test_graphs_that_train_are_not_served(server: str):
    from langgraph_sdk import get_client

    async with get_client(url=server) as client:
        assistants = await client.assistants.search()

    assert {assistant["graph_id"] for assistant in assistants} == {
        "actor_critic",
        "ask",
        "chat",
        "flawed_paths",
        "auto_critique",
        "self_talk",
    }


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"context": {"samples": 4096}}, "samples"),
        ({"context": {"actor": "vllm:/any/path?trust_remote_code=true"}}, "actor"),
        ({"config": {"configurable": {"actor": "hf:/any/path"}}}, "actor"),
    ],
)
async def test_caller_above_the_operators_limits_is_told_so(server: str, given: dict[str, Any], message: str):
    from langgraph_sdk import get_client

    async with get_client(url=server) as client:
        run = await client.runs.wait(None, "actor_critic", input={"question": "?"}, raise_error=False, **given)

    assert run["__error__"]["error"] == "ValidationError"
    assert message in run["__error__"]["message"]


async def test_recursion_limit_of_a_caller_ends_with_an_answer(server: str):
    from langgraph_sdk import get_client

    async with get_client(url=server) as client:
        result = await client.runs.wait(
            None,
            "actor_critic",
            input={"question": "Ann has 12 apples. Ann buys 15 more. How many apples does Ann have?"},
            context={"rounds": 8, "gate": "always"},
            config={"recursion_limit": 6},
        )

    assert (result["chains"][0]["stop"], len(result["chains"][0]["rounds"])) == ("recursion_limit", 2)
