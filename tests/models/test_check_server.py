"""A run asks at its start whether a server answers, and whether it has the models that are named."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from critique_graph.core.errors import InputError
from critique_graph.core.role_model import RoleModel
from critique_graph.models.roles import load_roles
from critique_graph.models.servers import check_base_url, check_server

pytestmark = pytest.mark.network_loopback


class Listing:
    url: str
    status = 200
    body = b"{}"

    def __init__(self) -> None:
        self.asked_with: list[str | None] = []

    def of(self, *names: str) -> None:
        self.body = json.dumps({"object": "list", "data": [{"id": name} for name in names]}).encode()


@pytest.fixture
def server(socket_enabled: None) -> Iterator[Listing]:
    listing = Listing()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            listing.asked_with.append(self.headers["Authorization"])
            self.send_response(listing.status)
            self.send_header("Content-Length", str(len(listing.body)))
            self.end_headers()
            self.wfile.write(listing.body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        listening.daemon_threads = True
        listing.url = f"http://127.0.0.1:{listening.server_port}/v1"
        threading.Thread(target=listening.serve_forever, args=(0.01,)).start()
        yield listing
        listening.shutdown()


def test_name_that_the_server_lists_is_accepted(server: Listing) -> None:
    server.of("small", "large")
    check_server(server.url, ["large"])


def test_other_name_is_refused_with_those_it_lists(server: Listing) -> None:
    server.of("small", "large")
    with pytest.raises(InputError, match=r"openai:smal: the server at .* has no such model; it lists small, large\."):
        check_server(server.url, ["smal"])


def test_every_role_is_checked_and_the_list_is_cut(server: Listing) -> None:
    server.of(*(f"m{n}" for n in range(30)))
    roles: Any = {"actor": RoleModel(model="openai:m1"), "critic": RoleModel(model="openai:other")}
    with pytest.raises(InputError, match=r"openai:other: .*m8, m9, \.\.\.\.$"):
        load_roles({name: role.on(server.url) for name, role in roles.items()})


def test_server_is_asked_with_the_key_of_the_role(server: Listing, monkeypatch: pytest.MonkeyPatch) -> None:
    server.of("small")
    monkeypatch.setenv("OPENAI_API_KEY", "another-key")
    monkeypatch.setenv("JUDGE", "key-of-the-judge")
    load_roles({"critic": RoleModel(model="openai:small", base_url=server.url, api_key_env="JUDGE")})
    assert server.asked_with == ["Bearer key-of-the-judge"]


def test_server_of_a_pool_may_be_silent(server: Listing, caplog: pytest.LogCaptureFixture) -> None:
    server.of("small")
    load_roles({"actor": RoleModel(model="openai:small", base_url=f"http://127.0.0.1:9/v1,{server.url}")})
    (record,) = [record.message for record in caplog.records]
    assert record.startswith("base_url http://127.0.0.1:9/v1: no server answers there")


@pytest.mark.parametrize(
    ("servers", "message"),
    [
        ("http://127.0.0.1:9/v1,http://127.0.0.1:19/v1", "127.0.0.1:9/v1: no server answers there"),
        ("http://127.0.0.1:9/v1,{url}", "openai:other: the server at .* has no such model"),
    ],
    ids=["all silent", "other model"],
)
def test_pool_that_cannot_be_used_is_refused(server: Listing, servers: str, message: str) -> None:
    server.of("small")
    with pytest.raises(InputError, match=message):
        check_base_url(servers.format(url=server.url), ["other"])


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b'{"data": []}'),
        (200, b"<html>"),
        (200, b'["small"]'),
        (200, b'{"data": [{"name": "x"}]}'),
        (404, b"{}"),
        (401, b'{"data": [{"id": "small"}]}'),
    ],
)
def test_server_without_a_list_is_accepted(server: Listing, status: int, body: bytes) -> None:
    server.status, server.body = status, body
    check_server(server.url, ["large"])
