"""The pair behind an OpenAI-compatible endpoint, driven by OpenAI's own client."""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("openai")
pytest.importorskip("starlette")

import httpx
import openai
from fakes import ScriptedModel, critique_text, solution

from critique_graph import create_chat
from critique_graph.calls.breaker import Patience
from critique_graph.cli import run_command
from critique_graph.serve.app import create_app

QUESTION = "Ann has 3 apples and buys 4 more. How many apples has she?"
ASKED: list[Any] = [{"role": "user", "content": QUESTION}]


def pair() -> tuple[ScriptedModel, ScriptedModel]:
    return ScriptedModel(replies=[solution(8), solution(7)]), ScriptedModel(replies=[critique_text("Wrong")])


def ask(actor: ScriptedModel, critic: ScriptedModel, *, key: str | None = None, **request: Any) -> Any:
    app = create_app(create_chat(actor, critic).compile(), {}, patience=Patience(60, 0), api_key=key)

    async def asked() -> Any:
        transport = httpx.ASGITransport(app)
        async with openai.AsyncOpenAI(
            base_url="http://pair/v1",
            api_key="right",
            max_retries=0,
            http_client=httpx.AsyncClient(transport=transport),
        ) as client:
            reply = await client.chat.completions.create(model="critique-graph", **{"messages": ASKED, **request})
            return [chunk async for chunk in reply] if request.get("stream") else reply

    return asyncio.run(asked())


def test_reply_is_the_refined_response_with_reasoning_verdicts_and_usage():
    reply = ask(*pair())
    (choice,) = reply.choices
    assert (choice.message.content, choice.finish_reason) == (solution(7), "stop")
    assert "Critic: wrong" in choice.message.reasoning_content
    assert reply.critique_graph["verdicts"] == ["wrong"]
    roles = reply.usage.by_role
    assert (roles["actor"]["calls"], roles["critic"]["calls"]) == (2, 1)
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens
    assert reply.usage.prompt_tokens == sum(role["input"] for role in roles.values())


def test_streamed_reply_has_progress_as_reasoning_and_then_the_answer():
    chunks = ask(*pair(), stream=True, stream_options={"include_usage": True})
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    progress = [delta.reasoning_content for delta in deltas if getattr(delta, "reasoning_content", None)]
    assert [text.split(":")[0] for text in progress] == ["Actor", "Critic", "Actor, refinement 1"]
    assert "".join(delta.content or "" for delta in deltas) == solution(7)
    assert chunks[-1].usage.by_role["critic"]["calls"] == 1


def test_settings_of_a_request_are_the_actors():
    actor, critic = pair()
    ask(actor, critic, temperature=0.3, max_tokens=77)
    assert actor.settings[0]["temperature"] == 0.3
    assert actor.settings[0]["max_tokens"] == 77
    assert critic.settings[0]["max_tokens"] != 77


def test_answer_stops_where_the_request_says():
    reply = ask(*pair(), stop=["The answer"])
    assert reply.choices[0].message.content == solution(7).partition("The answer")[0]


def test_instructions_and_what_was_said_before_reach_the_actor():
    actor, critic = pair()
    earlier = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello."}]
    ask(actor, critic, messages=[*earlier, {"role": "assistant", "content": "Hi."}, *ASKED])
    assert f"Be brief.\n\nUser: Hello.\n\nAssistant: Hi.\n\nUser: {QUESTION}" in actor.texts[0]


def test_text_in_parts_is_read():
    actor, critic = pair()
    ask(actor, critic, messages=[{"role": "user", "content": [{"type": "text", "text": QUESTION}]}])
    assert QUESTION in actor.texts[0]


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        ({"n": 2}, "n: Input should be less than or equal to 1"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools is not supported"),
        ({"response_format": {"type": "json_object"}}, "response_format is not supported"),
        ({"messages": [{"role": "assistant", "content": "Hi."}]}, "the last message must be the user's"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]}, "only text"),
        ({"messages": []}, "messages: List should have at least 1 item"),
    ],
)
def test_what_cannot_be_honoured_is_refused(request_: dict[str, Any], reason: str):
    with pytest.raises(openai.BadRequestError, match=reason):
        ask(*pair(), **request_)


def test_failure_of_the_actor_is_an_error_of_the_server():
    with pytest.raises(openai.InternalServerError, match="no model"):
        ask(ScriptedModel(replies=[ValueError("no model")]), ScriptedModel())


def test_failure_in_a_stream_is_an_error_for_the_client():
    with pytest.raises(openai.APIError, match="no model"):
        ask(ScriptedModel(replies=[ValueError("no model")]), ScriptedModel(), stream=True)


def test_key_is_asked_for_where_one_is_set():
    assert ask(*pair(), key="right").choices
    with pytest.raises(openai.AuthenticationError, match="the key is missing or wrong"):
        ask(*pair(), key="another")


def test_other_machines_may_not_call_without_a_key(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("CRITIQUE_GRAPH_API_KEY", raising=False)
    assert run_command(["serve", "--host", "0.0.0.0"]) == 2
    assert "set CRITIQUE_GRAPH_API_KEY" in capsys.readouterr().err


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    import pytest_socket

    pytest_socket.enable_socket()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "critique_graph", "serve", "--port", str(port)]
    process = subprocess.Popen(command, env=os.environ, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    assert "serving critique-graph" in process.stderr.readline()
    with process:
        yield f"http://127.0.0.1:{port}/v1"
        process.terminate()


@pytest.mark.slow
@pytest.mark.enable_socket
def test_command_serves_the_miniature(server: str):
    client = openai.OpenAI(base_url=server, api_key="any", max_retries=8)  # it may not listen yet
    assert [model.id for model in client.models.list()] == ["critique-graph"]
    asked: list[Any] = [
        {"role": "user", "content": "Ann has 12 apples. Ann buys 15 more. Ann loses 9. How many has Ann?"}
    ]
    reply = client.chat.completions.create(model="critique-graph", messages=asked)
    assert "The answer is" in (reply.choices[0].message.content or "")
