import json
import sys
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import SimpleNamespace

import httpx
import openai
import pytest

from critique_graph.calls.faults import Fault, classify
from critique_graph.core.errors import ModelCallError
from critique_graph.core.schema import Failure

REQUEST = httpx.Request("POST", "http://127.0.0.1/v1/chat/completions")


class StatusError(Exception):
    """An error with a status, like those of the SDKs of OpenAI and Anthropic."""

    def __init__(self, status: int, headers: dict[str, str] | None = None) -> None:
        super().__init__(f"Error code: {status}")
        self.status_code = status
        self.response = SimpleNamespace(status_code=status, headers=httpx.Headers(headers))


@pytest.mark.parametrize(
    ("error", "kind", "retryable"),
    [
        (openai.APIConnectionError(request=None), "connection", True),
        (openai.APITimeoutError(request=None), "timeout", True),
        (openai.APIError("engine died", request=None, body=None), "server", True),
        (httpx.ConnectError("refused"), "connection", True),
        (httpx.RemoteProtocolError("closed"), "connection", True),
        (httpx.ReadTimeout("slow"), "timeout", True),
        (httpx.HTTPStatusError("busy", request=REQUEST, response=httpx.Response(503)), "server", True),
        (TimeoutError(), "timeout", True),
        (ConnectionResetError("reset"), "connection", True),
        (json.JSONDecodeError("Expecting value", "{", 0), "invalid_reply", True),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"), "invalid_reply", True),
        (json.JSONDecodeError("Expecting value", "", 0), "invalid_reply", True),
        (json.JSONDecodeError("Expecting value", "<html>Log in</html>", 0), "setup", False),
        (json.JSONDecodeError("Expecting value", "\ufeff\n<!DOCTYPE html>", 0), "setup", False),
        (RecursionError("maximum recursion depth exceeded"), "invalid_reply", True),
        (StatusError(301), "setup", False),
        (StatusError(302), "setup", False),
        (StatusError(307), "setup", False),
        (StatusError(400), "rejected", False),
        (StatusError(401), "setup", False),
        (StatusError(402), "setup", False),
        (StatusError(403), "setup", False),
        (StatusError(404), "setup", False),
        (StatusError(405), "setup", False),
        (StatusError(407), "setup", False),
        (StatusError(410), "setup", False),
        (StatusError(413), "rejected", False),
        (StatusError(422), "rejected", False),
        (StatusError(408), "server", True),
        (StatusError(409), "server", True),
        (StatusError(425), "server", True),
        (StatusError(429), "server", True),
        (StatusError(500), "server", True),
        (StatusError(529), "server", True),
        (ValueError("bad"), "error", False),
        (KeyError("choices"), "error", False),
        (FileNotFoundError("weights"), "error", False),
    ],
    ids=lambda value: f"{type(value).__name__} {value}" if isinstance(value, Exception) else None,
)
def test_an_error_has_a_kind_and_is_worth_another_try_or_not(error, kind, retryable):
    fault = classify(error)

    assert (fault.kind, fault.retryable) == (kind, retryable)


@pytest.mark.parametrize(
    ("kind", "retryable"),
    [
        ("connection", True),
        ("timeout", True),
        ("server", True),
        ("invalid_reply", True),
        ("setup", False),
        ("rejected", False),
        ("error", False),
    ],
)
def test_a_model_call_error_keeps_its_own_kind(kind, retryable):
    error = ModelCallError(Failure(kind=kind, message="why"))

    is_outage = kind in ("connection", "timeout", "server")
    assert classify(error) == Fault(kind, "why", retryable, retry_after=None, is_outage=is_outage)


@pytest.mark.parametrize(
    ("error", "is_outage"),
    [
        (ConnectionResetError("reset"), True),
        (TimeoutError(), True),
        (StatusError(500), True),
        (StatusError(503), True),
        (StatusError(429), False),
        (StatusError(408), False),
        (StatusError(401), False),
        (json.JSONDecodeError("Expecting value", "{", 0), False),
        (ModelCallError(Failure(kind="server", message="the engine has died"), can_retry=False), False),
    ],
    ids=repr,
)
def test_a_server_that_answers_is_not_out(error, is_outage):
    assert classify(error).is_outage == is_outage


def test_the_message_is_one_short_printable_line():
    message = classify(ValueError("first\nsecond\x1b[31m\x00" + "x" * 1000)).message

    assert message.startswith("ValueError: first second [31m x")
    assert len(message) == 300


def test_an_error_without_text_is_called_by_its_class():
    assert classify(TimeoutError()).message == "TimeoutError"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("7", 7.0), ("0.5", 0.5), ("-3", 0.0), ("soon", None), ("nan", None), ("inf", None)],
)
def test_retry_after_is_read_as_seconds(value, seconds):
    assert classify(StatusError(429, {"Retry-After": value})).retry_after == seconds


def test_retry_after_is_read_as_a_date():
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)

    assert classify(StatusError(503, {"retry-after": date})).retry_after == pytest.approx(90, abs=5)


def test_a_status_of_success_does_not_decide():
    error = ValueError("Unexpected response type")
    error.response = SimpleNamespace(status_code=200, headers={})

    assert classify(error).kind == "error"


def test_no_client_library_is_imported():
    assert "critique_graph.calls.faults" in sys.modules
    imported = vars(sys.modules["critique_graph.calls.faults"])
    assert not {"openai", "httpx"} & imported.keys()
