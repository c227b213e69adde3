"""What is hidden in messages, and what is not; `tests/test_secrets.py` runs verbs with credentials."""

import logging
import time

import pytest

from critique_graph.core.errors import first_line, one_line
from critique_graph.core.secrets import redacted, remember


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("http://host:8000/v1", "http://host:8000/v1"),
        ("http://user:secret@host:8000/v1", "http://***@host:8000/v1"),
        ("http://user@host/v1", "http://***@host/v1"),
        ("http://user:p@ss@host/v1", "http://***@host/v1"),
        ("http://user:pa/ss?x#y@host/v1", "http://***@host/v1"),
        ("http://[::1]:80/v1?api_key=secret", "http://[::1]:80/v1?api_key=***"),
        ("http://host/v1?a=1&key=secret&flag", "http://host/v1?a=***&key=***&***"),
        ("http://host/v1?secret", "http://host/v1?***"),
        ("http://host/v1#secret", "http://host/v1#***"),
        ("postgresql://user:secret@host/db: refused", "postgresql://***@host/db: refused"),
        ("cannot reach 'http://user:secret@host/v1'.", "cannot reach 'http://***@host/v1'."),
        ("user:secret@host:8000/v1", "***@host:8000/v1"),
        ("Incorrect API key provided: sk-proj-1234abcd.", "Incorrect API key provided: ***"),
        ("Incorrect API key provided: sk-pr******cd. You can", "Incorrect API key provided: *** You can"),
        ("the key sk-ant-api03-AbC_d3f-x is revoked", "the key *** is revoked"),
        ("unknown key sk-CANARY", "unknown key ***"),
        ("Invalid api_key=abcdef", "Invalid api_key=***"),
        ('{"api_key": "abcdef", "n": 1}', '{"api_key": "***", "n": 1}'),
        ("Authorization: Bearer abcdef", "Authorization: Bearer ***"),
        ("sent Bearer abc123def", "sent Bearer ***"),
        ("password=abcdef", "password=***"),
        ("hf_AbCdEfGhIjKlMnOp1234", "***"),
        ("needs an API key in OPENAI_API_KEY, or base_url", "needs an API key in OPENAI_API_KEY, or base_url"),
        ("maximum number of tokens: 4096, got 5000", "maximum number of tokens: 4096, got 5000"),
        ("write to someone@example.org", "write to someone@example.org"),
        ("a task-oriented step-by-step answer", "a task-oriented step-by-step answer"),
        ("the bearer of bad news", "the bearer of bad news"),
        ("hf:Qwen/Qwen3-4B and risk-1234567", "hf:Qwen/Qwen3-4B and risk-1234567"),
    ],
)
def test_secrets_are_hidden_and_nothing_else(text: str, hidden: str) -> None:
    assert redacted(text) == hidden
    assert redacted(hidden) == hidden


def test_known_secrets_are_hidden_wherever_they_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    remember("hunter-two", "abc")
    monkeypatch.setenv("SOME_API_KEY", "from-the-environment")
    assert redacted("hunter-two, abc, from-the-environment") == "***, abc, ***"


def test_every_line_about_an_error_is_without_secrets() -> None:
    error = ValueError("http://user:secret@host refused")
    assert "secret" not in first_line(error) + one_line(str(error))


def test_log_of_requests_is_without_secrets(caplog: pytest.LogCaptureFixture) -> None:
    remember("hunter-two")
    with caplog.at_level(logging.INFO, logger="httpx"):  # another test's library may have raised it
        logging.getLogger("httpx").info("HTTP Request: %s %s", "POST", "http://host/v1?key=hunter-two")
    assert caplog.messages == ["HTTP Request: POST http://host/v1?key=***"]


@pytest.mark.parametrize(
    "part", ["a", "a.", "a:", "://", "?a=", "sk-", "a@", "Bearer ", "api_key", "password: ", "a:b@"]
)
def test_long_messages_take_no_time(part: str) -> None:
    started = time.process_time()
    one_line(part * 1_000_000)
    assert time.process_time() - started < 0.5
