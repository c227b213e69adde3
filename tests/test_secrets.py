"""Verbs whose server needs credentials in its address: the server gets them, and nobody else ever sees them."""

import base64
import json
import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from fakes import critique_text, solution

from critique_graph.cli import run_command

pytest.importorskip("langchain_openai")

USER, PASSWORD, KEY, TOKEN = "canary-user", "canary/p@ss", "canary-query", "sk-canary-environment-1"
SECRETS = ["canary", base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()]
VERBS = {
    "run": ["run", "problems.jsonl", "--critic", "openai:small"],
    "generate": ["generate", "problems.jsonl", "--annotator", "openai:small"],
    "compare": ["compare", "problems.jsonl", "--critic", "openai:small", "--samples", "2"],
}
pytestmark = pytest.mark.enable_socket


class Server(BaseHTTPRequestHandler):
    seen: list[tuple[str, str | None]]
    places: list[str]
    status: int

    def do_POST(self) -> None:
        asked = self.rfile.read(int(self.headers["Content-Length"]))
        if self.status == 307:
            self.places.append(self.path)
            self._redirect()
            return
        authorization = self.headers["Authorization"] or ""
        self.seen.append((authorization, (parse_qs(urlsplit(self.path).query).get("api_key") or [None])[0]))
        answer = critique_text("Correct") if b"correctness" in asked.lower() else solution(5)
        kind, _, sent = authorization.partition(" ")
        told = base64.b64decode(sent) if kind == "Basic" else sent
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": answer}}
        found = {"id": "1", "object": "chat.completion", "created": 1, "model": "small", "choices": [choice]}
        fault = {"error": {"message": f"Incorrect API key provided: {TOKEN}; {told!r} at http://x{self.path}"}}
        self._answer(self.status, fault if self.status >= 400 else found)

    def _redirect(self) -> None:
        self.send_response(307)
        self.send_header("Location", "/stolen")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        self._answer(200, {})

    def _answer(self, status: int, value: object) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ThreadingHTTPServer]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("critique_graph.calls.caller._BACKOFF_BASE_SECONDS", 0.0)
    monkeypatch.setenv("OPENAI_API_KEY", TOKEN)
    Path("problems.jsonl").write_text(json.dumps({"question": "What is 2 + 3?", "answer": "5"}) + "\n")
    Server.seen, Server.places, Server.status = [], [], 200
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as opened:
        thread = threading.Thread(target=opened.serve_forever)
        thread.start()
        yield opened
        opened.shutdown()
        thread.join()


def address(server: ThreadingHTTPServer) -> str:
    return f"http://{USER}:canary%2Fp%40ss@127.0.0.1:{server.server_port}/v1?api_key={KEY}"


def files(folder: Path) -> bytes:
    return b"\0".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("status", [200, 400, 401, 500, 503, None], ids=lambda status: str(status or "refused"))
def test_credentials_reach_the_server_and_nothing_else(
    verb: str,
    status: int | None,
    server: ThreadingHTTPServer,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    url = address(server)
    if status is None:
        url = url.replace(str(server.server_port), "9")
    else:
        Server.status = status
    command = [*VERBS[verb], "--actor", "openai:small", "--base-url", url, "--out", "out", "--json", "--outage", "0"]
    with caplog.at_level(logging.INFO):
        for _ in range(2):  # the second one resumes
            run_command(command)
    told = capfd.readouterr()
    if status is not None:
        basic = f"Basic {base64.b64encode(f'{USER}:{PASSWORD}'.encode()).decode()}"
        assert set(Server.seen) == {(basic, KEY)}
    everything = told.out + told.err + caplog.text + files(tmp_path).decode(errors="replace")
    leaks = [everything[max(0, at - 60) : at + 30] for secret in SECRETS if (at := everything.find(secret)) >= 0]
    assert leaks == []


def test_resumed_run_asks_for_nothing_twice(server: ThreadingHTTPServer, capsys: pytest.CaptureFixture[str]) -> None:
    command = [*VERBS["run"], "--actor", "openai:small", "--base-url", address(server), "--out", "out", "--json"]
    assert run_command(command) == 0
    asked = len(Server.seen)
    assert run_command(command) == 0
    assert len(Server.seen) == asked > 0


def test_recorded_settings_ask_for_the_credentials(
    server: ThreadingHTTPServer, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [*VERBS["run"], "--actor", "openai:small", "--base-url", address(server), "--out", "out", "--quiet"]
    run_command(command)
    assert run_command(["run", "--config", "out/run.yaml", "--out", "again"]) == 2
    assert "give its credentials, which no file keeps" in capsys.readouterr().err
    assert run_command(["run", "--config", "out/run.yaml", "--base-url", address(server), "--out", "again"]) == 0


@pytest.mark.parametrize(
    "url", ["canary:secret@host/v1", "http://canary:secret@[::1/v1", "http://canary:secret@host:port/v1"]
)
def test_address_that_is_none_is_refused_without_its_secrets(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["run", "--actor", "openai:small", "--base-url", url]) == 2
    assert "canary" not in (told := capsys.readouterr().err)
    assert "secret" not in told


def test_key_in_the_address_is_enough(server: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    from critique_graph.models.load import load_model

    monkeypatch.delenv("OPENAI_API_KEY")
    model = load_model("openai:small", base_url=f"http://127.0.0.1:{server.server_port}/v1?api_key={KEY}")
    assert model.invoke("2 + 3?").content == solution(5)


def test_redirects_are_not_followed(server: ThreadingHTTPServer, capsys: pytest.CaptureFixture[str]) -> None:
    Server.status = 307
    command = [*VERBS["run"], "--actor", "openai:small", "--base-url", address(server), "--out", "out", "--quiet"]
    assert run_command(command) != 0
    assert {urlsplit(place).path for place in Server.places} == {"/v1/chat/completions"}
