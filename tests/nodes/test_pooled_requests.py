"""Requests of a model with a pool of servers, on the wire; and a run, which is the same wherever its calls go."""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import orjson
import pytest
from fakes import critique_text, solution
from hashed_model import addition_problems
from langchain_core.messages import HumanMessage

from critique_graph import run_problems
from critique_graph.core.errors import InputError
from critique_graph.models.load import load_model
from critique_graph.report.read_run import read_run
from critique_graph.runs.traces import read_traces
from critique_graph.solve.table import summary_table

pytestmark = pytest.mark.network_loopback


class Listening:
    """A server that answers as the prompt alone decides, and remembers its requests."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[dict[str, Any]] = []

    def text(self, request: dict[str, Any]) -> str:
        """Give a reply: a wrong solution, a critique that says so, or a correct refinement."""
        last = request["messages"][-1]["content"]
        if "Check the response" in last:
            return critique_text("Wrong")
        return solution(5 if "A critic has checked" in last else 4)


@pytest.fixture
def servers(socket_enabled: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Listening]]:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with ExitStack() as stack:
        yield [stack.enter_context(listening()) for _ in range(3)]


@contextmanager
def listening() -> Iterator[Listening]:
    script = Listening()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._reply({"data": [{"id": "small"}]})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            headers = {name: self.headers[name] for name in ("Host", "Authorization")}
            script.requests.append({"path": self.path, **headers, **body})
            choice = {"message": {"role": "assistant", "content": script.text(body)}, "finish_reason": "stop"}
            self._reply({"model": "small", "choices": [{"index": 0, **choice}]})

        def _reply(self, payload: dict[str, Any]) -> None:
            body = json.dumps(payload).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        script.url = f"http://127.0.0.1:{server.server_port}/v1"
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        yield script
        server.shutdown()


def pool(servers: list[Listening]) -> str:
    return ",".join(server.url for server in servers)


def test_run_is_the_same_wherever_its_calls_go(servers: list[Listening], tmp_path: Path) -> None:
    models: dict[str, Any] = {"actor": "openai:small", "critic": "openai:small"}
    problems = addition_problems(12)
    pooled = run_problems(problems, out=tmp_path / "pool", base_url=pool(servers), **models)
    used = [len(server.requests) for server in servers]  # the run's probes of the servers' abilities included
    alone = run_problems(problems, out=tmp_path / "one", base_url=servers[0].url, **models)

    def texts(folder: str) -> list[Any]:
        return [
            (trace.problem.id, trace.answer, [response.text for response in trace.chains[0].responses])
            for trace in read_traces(tmp_path / folder)
        ]

    assert texts("pool") == texts("one")
    assert (pooled.done, alone.done, alone.servers) == (12, 12, ())
    assert all(used)
    assert {share.server: share.calls for share in pooled.servers} == {
        server.url: count for server, count in zip(servers, used, strict=True)
    }
    assert sum(share.share for share in pooled.servers) == pytest.approx(1)
    manifest = orjson.loads((tmp_path / "pool" / "manifest.json").read_bytes())
    assert manifest["servers"] == [share.model_dump() for share in pooled.servers]
    assert "servers" not in orjson.loads((tmp_path / "one" / "manifest.json").read_bytes())
    assert read_run(tmp_path / "pool").finished.servers == pooled.servers
    assert "servers" in map(str, summary_table(pooled).columns[0].cells)


def test_calls_of_a_problem_share_a_server(servers: list[Listening], tmp_path: Path) -> None:
    run_problems(
        addition_problems(12),
        out=tmp_path,
        actor="openai:small",
        critic="openai:small",
        base_url=pool(servers),
        critique_form="text",
        concurrency=1,
    )
    found = [Counter(request["messages"][0]["content"] for request in server.requests) for server in servers]
    questions = {question for counts in found for question in counts if "What is" in question}
    homes = [sum(question in counts for counts in found) for question in questions]
    assert sum(count == 1 for count in homes) >= 10  # seconds on the wire differ, and with them loads


async def test_request_goes_to_the_host_and_path_of_its_server(servers: list[Listening]) -> None:
    model = load_model("openai:small", base_url=pool(servers))
    for _ in range(40):
        await model.ainvoke([HumanMessage("?")])
    model.invoke([HumanMessage("?")])
    assert sum(len(server.requests) for server in servers) == 41
    for server in servers:
        assert {request["path"] for request in server.requests} == {"/v1/chat/completions"}
        assert {request["Host"] for request in server.requests} == {server.url.removeprefix("http://")[:-3]}
        assert {request["Authorization"] for request in server.requests} == {"Bearer not-needed"}


async def test_credentials_go_to_their_server_alone(servers: list[Listening]) -> None:
    first, second, _ = servers
    with_password = first.url.replace("http://", "http://ann:secret-word@")
    with_query = f"{second.url}?api_key=other-word"
    model = load_model("openai:small", base_url=f"{with_password},{with_query}")
    for _ in range(40):
        await model.ainvoke([HumanMessage("?")])
    assert {request["Authorization"] for request in first.requests} == {"Basic YW5uOnNlY3JldC13b3Jk"}
    assert {request["path"] for request in first.requests} == {"/v1/chat/completions"}
    assert {request["Authorization"] for request in second.requests} == {"Bearer not-needed"}
    assert {request["path"] for request in second.requests} == {"/v1/chat/completions?api_key=other-word"}


async def test_one_key_is_that_of_all_servers(servers: list[Listening], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUDGE", "key-of-the-judge")
    model = load_model("openai:small", base_url=pool(servers), api_key_env="JUDGE")
    for _ in range(40):
        await model.ainvoke([HumanMessage("?")])
    assert {request["Authorization"] for server in servers for request in server.requests} == {
        "Bearer key-of-the-judge"
    }


def test_pool_elsewhere_needs_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(InputError, match="needs an API key"):
        load_model("openai:small", base_url="http://127.0.0.1:1/v1,https://elsewhere.example/v1")
