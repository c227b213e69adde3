import asyncio
import gzip
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests

from critique_graph.calls.faults import classify
from critique_graph.core.critique_json import critique_format
from critique_graph.core.errors import ModelCallError
from critique_graph.nodes import bounded_bodies, chat_openai
from critique_graph.nodes.chat_openai import ChatOpenAIServer, is_local

USAGE = {
    "prompt_tokens": 7,
    "completion_tokens": 3,
    "total_tokens": 10,
    "prompt_tokens_details": {"cached_tokens": 4},
}


class TestStandardUnit(ChatModelUnitTests):
    @property
    def chat_model_class(self) -> type[ChatOpenAIServer]:
        return ChatOpenAIServer

    @property
    def chat_model_params(self) -> dict:
        return {"model": "small", "base_url": "http://127.0.0.1:9/v1"}

    @property
    def init_from_env_params(self) -> tuple[dict, dict, dict]:
        return (
            {"OPENAI_API_KEY": "from-the-environment"},
            {"model": "small", "base_url": "http://127.0.0.1:9/v1"},
            {"openai_api_key": "from-the-environment"},
        )


class TestStandardIntegrationOnTheMiniature(ChatModelIntegrationTests):
    """LangChain's standard tests, against a real model behind a real server on the loopback interface."""

    url: str

    @pytest.fixture(autouse=True)
    def _server(self, socket_enabled: None) -> Iterator[None]:
        pytest.importorskip("torch")
        from miniature_server import miniature_server

        with miniature_server() as url:
            type(self).url = url
            yield

    @property
    def chat_model_class(self) -> type[ChatOpenAIServer]:
        return ChatOpenAIServer

    @property
    def chat_model_params(self) -> dict:
        return {"model": "miniature", "base_url": self.url, "temperature": 0, "max_tokens": 20}

    @property
    def has_tool_calling(self) -> bool:
        return False

    @property
    def has_structured_output(self) -> bool:
        return False

    @property
    def supported_usage_metadata_details(self) -> dict:
        return {"invoke": [], "stream": []}


@dataclass
class Server:
    """An HTTP server that gives one scripted answer to every request, and remembers the requests."""

    url: str = ""
    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    breaks_off: bool = False
    """Close the connection before the announced length is sent."""
    requests: list[dict] = field(default_factory=list)

    def answer(self, message: dict | None = None, finish_reason: str | None = "stop", **payload) -> None:
        choice = {
            "index": 0,
            "message": {"role": "assistant", **(message or {})},
            "finish_reason": finish_reason,
        }
        self.body = json.dumps(
            {
                "id": "1",
                "object": "chat.completion",
                "model": "small",
                "usage": USAGE,
                "choices": [choice],
                **payload,
            }
        ).encode()
        self.headers = {"Content-Type": "application/json"}

    def stream(self, *deltas: dict, finish_reason: str | None = "stop") -> None:
        chunks = [{"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
        chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": finish_reason}]})
        chunks.append({"choices": [], "usage": USAGE})
        events = [
            json.dumps({"id": "1", "object": "chat.completion.chunk", "model": "small", **chunk}) for chunk in chunks
        ]
        self.body = "".join(f"data: {event}\n\n" for event in [*events, "[DONE]"]).encode()
        self.headers = {"Content-Type": "text/event-stream"}


@pytest.fixture
def server(socket_enabled: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    script = Server()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            script.requests.append({"path": self.path, "key": self.headers["Authorization"], **json.loads(body)})
            self.send_response(script.status)
            for name, value in script.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(script.body) + 100 * script.breaks_off))
            self.end_headers()
            self.wfile.write(script.body)
            self.close_connection = script.breaks_off

        def log_message(self, *_: object) -> None:
            pass

    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        listening.daemon_threads = True
        script.url = f"http://127.0.0.1:{listening.server_port}/v1"
        threading.Thread(target=listening.serve_forever, args=(0.01,)).start()
        yield script
        listening.shutdown()


@pytest.fixture
def model(server: Server) -> ChatOpenAIServer:
    return ChatOpenAIServer(model="small", base_url=server.url)


pytestmark = pytest.mark.network_loopback


def test_a_reply_has_text_usage_and_finish_reason(server, model):
    server.answer({"content": "Five."}, finish_reason="length")

    reply = model.invoke("What is 2 + 3?", seed=7, max_tokens=3, temperature=0.5)

    assert (reply.text, reply.response_metadata["finish_reason"]) == ("Five.", "length")
    assert (reply.usage_metadata["input_tokens"], reply.usage_metadata["output_tokens"]) == (7, 3)
    assert reply.usage_metadata["input_token_details"]["cache_read"] == 4
    sent = server.requests[0]
    assert (sent["path"], sent["seed"], sent["max_tokens"], sent["temperature"]) == (
        "/v1/chat/completions",
        7,
        3,
        0.5,
    )
    assert "max_completion_tokens" not in sent


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_call_may_add_to_the_body_the_headers_and_the_query(server, model, is_async):
    server.answer({"content": "Five."})
    added = {"extra_body": {"top_k": 5}, "extra_headers": {"Authorization": "Bearer mine"}, "extra_query": {"v": "2"}}

    if is_async:
        await model.ainvoke("What is 2 + 3?", **added, timeout=9)
    else:
        await asyncio.to_thread(model.invoke, "What is 2 + 3?", **added, timeout=9)

    (sent,) = server.requests
    assert (sent["top_k"], sent["key"], sent["path"]) == (5, "Bearer mine", "/v1/chat/completions?v=2")
    assert not sent.keys() & {*added, "timeout"}


async def test_a_proxy_of_the_environment_is_used(server, monkeypatch):
    server.answer({"content": "Five."})
    monkeypatch.setenv("HTTP_PROXY", server.url.removesuffix("/v1"))

    reply = await ChatOpenAIServer(model="small", base_url="http://a.invalid/v1", api_key="k").ainvoke("What is 2 + 3?")

    assert (reply.text, server.requests[0]["path"]) == ("Five.", "http://a.invalid/v1/chat/completions")


async def test_any_number_of_calls_is_in_flight_at_once(socket_enabled):
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limits[1] < 3000:
        pytest.skip("the system allows too few open files")
    calls = 1100
    all_are_there = asyncio.Event()
    arrived = 0

    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal arrived
        await reader.readuntil(b"\r\n\r\n")
        arrived += 1
        if arrived == calls:
            all_are_there.set()
        await all_are_there.wait()
        body = json.dumps({"choices": [{"message": {"role": "assistant", "content": "Five."}}]}).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body))
        writer.write(body)
        writer.close()

    resource.setrlimit(resource.RLIMIT_NOFILE, (3000, limits[1]))
    try:
        async with await asyncio.start_server(reply, "127.0.0.1", 0, backlog=calls) as listening:
            model = ChatOpenAIServer(
                model="small", base_url=f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
            )
            asked = asyncio.gather(*(model.ainvoke("What is 2 + 3?") for _ in range(calls)))
            replies = await asyncio.wait_for(asked, 60)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)

    assert {reply.text for reply in replies} == {"Five."}


async def test_a_streamed_reply_has_usage_and_finish_reason(server, model):
    server.stream({"content": "Fi"}, {"content": "ve."})

    chunks = [chunk async for chunk in model.astream("What is 2 + 3?")]

    whole = sum(chunks[1:], chunks[0])
    assert (whole.text, whole.response_metadata["finish_reason"]) == ("Five.", "stop")
    assert whole.usage_metadata["total_tokens"] == 10
    assert server.requests[0]["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_reasoning_is_kept_apart(server, model, name):
    server.answer({"content": "Five.", name: "2 + 3 = 5"})

    reply = model.invoke("What is 2 + 3?")

    assert (reply.text, reply.additional_kwargs["reasoning_content"]) == ("Five.", "2 + 3 = 5")
    assert reply.content_blocks[0] == {"type": "reasoning", "reasoning": "2 + 3 = 5"}


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_streamed_reasoning_is_kept_apart(server, model, name):
    server.stream({name: "2 + 3 "}, {name: "= 5"}, {"content": "Five."})

    chunks = list(model.stream("What is 2 + 3?"))

    whole = sum(chunks[1:], chunks[0])
    assert (whole.text, whole.additional_kwargs["reasoning_content"]) == ("Five.", "2 + 3 = 5")
    assert whole.content_blocks[0] == {"type": "reasoning", "reasoning": "2 + 3 = 5"}


def test_reasoning_without_an_answer_is_a_reply(server, model):
    server.answer({"content": None, "reasoning_content": "Hm."})

    assert model.invoke("What is 2 + 3?").text == ""


def test_logprobs_are_in_the_metadata(server, model):
    logprobs = {"content": [{"token": "Five.", "bytes": None, "logprob": -0.1, "top_logprobs": []}]}
    server.answer({"content": "Five."})
    payload = json.loads(server.body)
    payload["choices"][0]["logprobs"] = logprobs
    server.body = json.dumps(payload).encode()

    reply = model.invoke("What is 2 + 3?", logprobs=True)

    assert reply.response_metadata["logprobs"]["content"][0]["logprob"] == -0.1
    assert server.requests[0]["logprobs"] is True


def test_continuing_the_final_message_is_asked_of_the_server(server, model):
    server.answer({"content": " is 5."})

    model.invoke([HumanMessage("What is 2 + 3?"), AIMessage("The answer")], continue_final_message=True)

    sent = server.requests[0]
    assert (sent["continue_final_message"], sent["add_generation_prompt"]) == (True, False)
    assert sent["messages"][-1] == {"role": "assistant", "content": "The answer"}


def test_body_of_a_call_is_merged_with_that_of_the_model(server, model):
    server.answer({"content": " is 5."})
    thinks = model.model_copy(update={"extra_body": {"chat_template_kwargs": {"enable_thinking": False}}})

    thinks.invoke([HumanMessage("2 + 3?"), AIMessage("It")], continue_final_message=True, **critique_format(1))

    [sent] = server.requests
    assert sent["chat_template_kwargs"] == {"enable_thinking": False}
    assert sent["response_format"]["type"] == "json_schema"
    assert sent["continue_final_message"] is True


def test_continuing_anything_but_an_ai_message_is_refused(model):
    with pytest.raises(ValueError, match="needs a final AI message, got HumanMessage"):
        model.invoke("Hello", continue_final_message=True)


BAD_BODIES = {
    "no choices": b'{"choices": []}',
    "null choices": b'{"choices": null}',
    "missing choices": b'{"id": "1"}',
    "choice without message": b'{"choices": [{"finish_reason": "stop"}]}',
    "null choice": b'{"choices": [null]}',
    "empty content": b'{"choices": [{"message": {"content": ""}, "finish_reason": "stop"}]}',
    "null content": b'{"choices": [{"message": {"content": null}, "finish_reason": "stop"}]}',
    "number as content": b'{"choices": [{"message": {"content": 5}, "finish_reason": "stop"}]}',
    "list": b"[]",
    "null": b"null",
    "string": b'"Five."',
    "broken JSON": b'{"choices": [{"mess',
    "nothing": b"",
    "bad UTF-8": b'{"choices": "\xff\xfe"}',
}


@pytest.mark.parametrize("body", BAD_BODIES.values(), ids=BAD_BODIES)
async def test_a_reply_that_is_none_is_an_invalid_reply(server, model, body):
    server.body, server.headers = body, {"Content-Type": "application/json"}

    with pytest.raises((ModelCallError, ValueError)) as caught:
        await model.ainvoke("What is 2 + 3?")

    fault = classify(caught.value)
    assert (fault.kind, fault.retryable) == ("invalid_reply", True)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"message": "the model is loading"}, "server"),
        ("overloaded", "server"),
        ({"message": "oom", "code": 500}, "server"),
        ({"message": "slow down", "code": 429}, "server"),
        ({"message": "no such key", "code": 401}, "setup"),
        ({"message": "too long", "code": 400}, "rejected"),
        ({"message": "no", "code": "model_error"}, "server"),
    ],
    ids=str,
)
def test_an_error_with_status_200_has_the_kind_of_its_code(server, model, error, kind):
    server.body, server.headers = json.dumps({"error": error}).encode(), {"Content-Type": "application/json"}

    with pytest.raises(ModelCallError, match=f"{kind}: an error with status 200"):
        model.invoke("What is 2 + 3?")


@pytest.mark.parametrize("content_type", ["text/html", "text/html; charset=utf-8", "application/json"])
@pytest.mark.parametrize("page", [b"<html>Log in</html>", b"\n<!DOCTYPE html><title>Proxy</title>"])
def test_a_web_page_is_a_fault_of_the_setup(server, model, page, content_type):
    server.body, server.headers = page, {"Content-Type": content_type}

    with pytest.raises(Exception, match=r".") as caught:
        model.invoke("What is 2 + 3?")

    assert classify(caught.value).kind == "setup"


@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [
        (302, "setup", False),
        (400, "rejected", False),
        (401, "setup", False),
        (403, "setup", False),
        (404, "setup", False),
        (408, "server", True),
        (409, "server", True),
        (429, "server", True),
        (500, "server", True),
        (503, "server", True),
    ],
)
def test_an_error_status_is_raised_after_one_request(server, model, status, kind, retryable):
    server.status, server.body = status, b'{"error": {"message": "no"}}'
    server.headers = {
        "Content-Type": "application/json",
        "Location": f"{server.url}/elsewhere",
        "Retry-After": "7",
    }

    with pytest.raises(Exception, match=str(status)) as caught:
        model.invoke("What is 2 + 3?")

    fault = classify(caught.value)
    assert (fault.kind, fault.retryable, fault.retry_after) == (kind, retryable, 7.0)
    assert len(server.requests) == 1


@pytest.mark.parametrize("body", [b"", b'{"choices": [{"mess'], ids=["at once", "half-way"])
async def test_a_connection_closed_early_is_a_connection_fault(server, model, body):
    server.body, server.breaks_off = body, True

    with pytest.raises(Exception, match=r".") as caught:
        await model.ainvoke("What is 2 + 3?")

    assert classify(caught.value).kind == "connection"


def test_an_unreachable_server_is_a_connection_fault(server):
    with pytest.raises(Exception, match="Connection error") as caught:
        ChatOpenAIServer(model="small", base_url="http://127.0.0.1:9/v1").invoke("What is 2 + 3?")

    assert (classify(caught.value).kind, classify(caught.value).retryable) == ("connection", True)


async def test_a_stream_without_an_end_is_a_connection_fault(server, model):
    server.stream({"content": "Fi"}, finish_reason=None)

    with pytest.raises(ModelCallError, match="connection: the stream ended before the reply did"):
        _ = [chunk async for chunk in model.astream("What is 2 + 3?")]


def test_a_stream_without_content_is_an_invalid_reply(server, model):
    server.stream({"content": ""})

    with pytest.raises(ModelCallError, match="invalid_reply: the message is empty"):
        list(model.stream("What is 2 + 3?"))


def test_an_error_within_a_stream_is_a_server_fault(server, model):
    server.body, server.headers = (
        b'data: {"error": {"message": "engine died"}}\n\n',
        {"Content-Type": "text/event-stream"},
    )

    with pytest.raises(Exception, match="engine died") as caught:
        list(model.stream("What is 2 + 3?"))

    assert classify(caught.value).kind == "server"


def test_one_model_serves_one_event_loop_after_another(server, model):
    server.answer({"content": "Five."})

    replies = [asyncio.run(model.ainvoke("What is 2 + 3?")).text for _ in range(3)]

    assert replies == ["Five."] * 3


def test_the_api_key_comes_from_the_environment(server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "from-the-environment")
    server.answer({"content": "Five."})

    ChatOpenAIServer(model="small", base_url=server.url).invoke("What is 2 + 3?")

    assert server.requests[0]["key"] == "Bearer from-the-environment"


def test_a_local_server_needs_no_api_key(server, model):
    server.answer({"content": "Five."})

    model.invoke("What is 2 + 3?")

    assert server.requests[0]["key"] == "Bearer not-needed"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://localhost:8000/v1", True),
        ("http://127.0.0.1:8000/v1", True),
        ("http://[::1]:8000/v1", True),
        ("http://192.168.1.5/v1", True),
        ("http://gpu-box:8000/v1", True),
        ("http://gpu-box.local/v1", True),
        ("https://api.openai.com/v1", False),
        ("http://8.8.8.8/v1", False),
    ],
)
def test_is_local(url, expected):
    assert is_local(url) is expected


PARTS = [
    pytest.param([{"type": "text", "text": "The answer "}, {"type": "text", "text": "is 5."}], {}, id="texts"),
    pytest.param(["The answer ", "is 5."], {}, id="strings"),
    pytest.param([{"type": "output_text", "text": "The answer is 5."}], {}, id="output_text"),
    pytest.param(
        [
            {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]},
            {"type": "text", "text": "The answer is 5."},
        ],
        {"reasoning_content": "Hm."},
        id="Mistral's thinking",
    ),
    pytest.param(
        [{"type": "reasoning", "text": "Hm."}, {"text": "The answer is 5."}],
        {"reasoning_content": "Hm."},
        id="reasoning",
    ),
]


@pytest.mark.parametrize(("parts", "kwargs"), PARTS)
def test_content_in_parts_is_read(server, model, parts, kwargs):
    server.answer({"content": parts})

    reply = model.invoke("What is 2 + 3?")

    assert (reply.content, {k: v for k, v in reply.additional_kwargs.items() if v}) == ("The answer is 5.", kwargs)


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")  # LangChain dumps the chunk before we see it
def test_streamed_content_in_parts_is_read(server, model):
    server.stream({"content": [{"type": "text", "text": "Fi"}]}, {"content": "ve."})

    assert "".join(chunk.text for chunk in model.stream("What is 2 + 3?")) == "Five."


@pytest.mark.parametrize("content", [[5], [{"type": "refusal", "refusal": ""}], {}])
def test_parts_without_text_are_an_invalid_reply(server, model, content):
    server.answer({"content": content})

    with pytest.raises(ModelCallError, match="invalid_reply"):
        model.invoke("What is 2 + 3?")


def test_refusal_is_kept(server, model):
    server.answer({"content": [{"type": "refusal", "refusal": "I cannot."}]})

    assert model.invoke("What is 2 + 3?").additional_kwargs["refusal"] == "I cannot."


def test_finish_reason_that_is_missing_is_recorded_so(server, model):
    server.answer({"content": "Fi"}, finish_reason=None)

    assert model.invoke("What is 2 + 3?").response_metadata["finish_reason"] == "missing"


def test_filtered_reply_without_text_is_no_fault(server, model):
    server.answer({"content": None}, finish_reason="content_filter")

    assert model.invoke("What is 2 + 3?").response_metadata["finish_reason"] == "content_filter"


@pytest.mark.parametrize(
    "usage",
    [
        None,
        "many",
        {},
        {"prompt_tokens": None, "completion_tokens": None, "total_tokens": None},
        {"prompt_tokens": -5, "completion_tokens": 7, "total_tokens": 2},
        {"prompt_tokens": "x", "completion_tokens": 7},
        {"prompt_tokens": float("nan"), "completion_tokens": 7},
        {"prompt_tokens": 10**30, "completion_tokens": 7},
    ],
    ids=str,
)
def test_nonsense_as_usage_loses_no_answer(server, model, usage):
    server.answer({"content": "Five."}, usage=usage)

    reply = model.invoke("What is 2 + 3?")

    assert (reply.text, reply.usage_metadata) == ("Five.", None)


def test_nonsense_among_the_details_of_usage_is_left_out(server, model):
    details = {"cached_tokens": "many", "audio_tokens": None}
    server.answer({"content": "Five."}, usage={**USAGE, "total_tokens": None, "prompt_tokens_details": details})

    assert model.invoke("What is 2 + 3?").usage_metadata == {
        "input_tokens": 7,
        "output_tokens": 3,
        "total_tokens": 10,
        "input_token_details": {},
        "output_token_details": {},
    }


async def read_whole(model: ChatOpenAIServer) -> str:
    return (await model.ainvoke("What is 2 + 3?")).text


async def read_streamed(model: ChatOpenAIServer) -> str:
    return "".join([chunk.text async for chunk in model.astream("What is 2 + 3?")])


@pytest.mark.parametrize("read", [read_whole, read_streamed])
@pytest.mark.parametrize("is_compressed", [False, True])
async def test_reply_beyond_the_bound_is_refused_once(server, model, monkeypatch, read, is_compressed):
    monkeypatch.setattr(bounded_bodies, "MAX_BODY_BYTES", 1_000_000)
    server.answer({"content": "5" * 2_000_000})
    if is_compressed:
        server.body = gzip.compress(server.body)
        server.headers["Content-Encoding"] = "gzip"

    with pytest.raises(ModelCallError, match="the reply is larger than") as caught:
        await read(model)

    assert (classify(caught.value).kind, classify(caught.value).retryable) == ("invalid_reply", False)


def test_stream_may_be_longer_than_the_bound_of_one_event(server, model, monkeypatch):
    monkeypatch.setattr(bounded_bodies, "MAX_BODY_BYTES", 1_000)
    server.stream(*[{"content": "5"}] * 100)

    assert "".join(chunk.text for chunk in model.stream("What is 2 + 3?")) == "5" * 100


def test_stream_without_an_end_is_refused(server, model, monkeypatch):
    monkeypatch.setattr(chat_openai, "MAX_REPLY_CHARS", 10)
    server.stream(*[{"reasoning_content": "5"}] * 30)

    with pytest.raises(ModelCallError, match="the stream is longer than 20 characters"):
        list(model.stream("What is 2 + 3?"))


def test_reply_that_is_compressed_unasked_is_read(server, model):
    server.answer({"content": "Five. " * 50_000})
    server.body = gzip.compress(server.body)
    server.headers["Content-Encoding"] = "gzip"

    assert model.invoke("What is 2 + 3?").text == "Five. " * 50_000


@pytest.mark.parametrize(("encoding", "is_retryable"), [("br", False), ("gzip, gzip", False), ("gzip", True)])
def test_reply_that_cannot_be_unpacked_is_an_invalid_reply(server, model, encoding, is_retryable):
    server.answer({"content": "Five."})
    server.headers["Content-Encoding"] = encoding

    with pytest.raises(ModelCallError, match=r"invalid_reply: the (server compresses as|compressed reply)") as caught:
        model.invoke("What is 2 + 3?")

    assert classify(caught.value).retryable is is_retryable


def test_error_page_beyond_the_bound_is_refused(server, model, monkeypatch):
    monkeypatch.setattr(bounded_bodies, "MAX_BODY_BYTES", 1_000)
    server.status, server.body = 500, b"x" * 2_000

    with pytest.raises(ModelCallError, match="the reply is larger than"):
        model.invoke("What is 2 + 3?")


async def test_schema_is_sent_and_json_that_was_cut_off_is_no_error(server, model):
    server.answer({"content": '{"steps": ['}, finish_reason="length")

    reply = await model.ainvoke("hello", **critique_format(2))

    sent = server.requests[0]["response_format"]
    assert sent["json_schema"]["schema"]["properties"]["steps"]["minItems"] == 2
    assert (reply.text, reply.response_metadata["finish_reason"]) == ('{"steps": [', "length")
