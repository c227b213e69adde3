"""Verdicts and flips in OpenTelemetry and in LangSmith: which are sent, to where, and that nothing is sent unasked."""

import importlib
import json
import sys
from typing import Any

import pytest
import requests
from fakes import ScriptedModel, critique_text, reply, solution
from langchain.agents import create_agent
from langchain_core.messages import AIMessage
from langsmith import Client, tracing_context
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider

from critique_graph import CritiqueMiddleware, LangSmithFeedback, OpenTelemetryEvaluations, create_actor_critic
from critique_graph.core.errors import MissingDependencyError

PROJECT, NOW = "01a21f65-7e77-71f8-9d65-697115fec913", "2026-11-27T00:00:00+00:00"
QUESTION = {"question": "3 + 4?", "reference": "7", "id": "p1"}


def named(text: str, response_id: str) -> AIMessage:
    """A reply with the id that a server gave it."""
    return reply(text).model_copy(update={"response_metadata": {"id": response_id, "finish_reason": "stop"}})


def fixed_by_critique(**settings: Any) -> Any:
    """A graph in which chain 0 is correct at once, and chain 1 after a refinement."""
    actor = ScriptedModel(replies=[solution(7), solution(8), named(solution(7), "chatcmpl-3")])
    critic = ScriptedModel(answer=lambda messages: critique_text("Wrong" if "{8}" in messages[-1].text else "Correct"))
    return create_actor_critic(actor, critic, samples=2, **settings).compile()


def otel() -> tuple[InMemoryLogRecordExporter, OpenTelemetryEvaluations]:
    exporter, provider = InMemoryLogRecordExporter(), LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    return exporter, OpenTelemetryEvaluations(provider)


def events(exporter: InMemoryLogRecordExporter) -> list[dict[str, Any]]:
    return [dict(log.log_record.attributes or {}) for log in exporter.get_finished_logs()]


@pytest.mark.parametrize("is_async", [True, False], ids=["ainvoke", "invoke"])
async def test_every_verdict_and_flip_is_an_event_parented_to_the_current_span(is_async: bool):
    exporter, listener = otel()
    graph = fixed_by_critique()

    with TracerProvider(shutdown_on_exit=False).get_tracer("app").start_as_current_span("request") as span:
        if is_async:
            await graph.ainvoke(QUESTION, {"callbacks": [listener]})
        else:
            graph.invoke(QUESTION, {"callbacks": [listener]})

    place = {"critique_graph.problem": "p1"}
    verdict = {"gen_ai.evaluation.name": "critic_verdict", "gen_ai.evaluation.explanation": "because."} | place
    assert events(exporter) == [
        verdict
        | {"gen_ai.evaluation.score.label": "correct", "gen_ai.evaluation.score.value": 1.0}
        | {"critique_graph.chain": 0, "critique_graph.round": 0},
        verdict
        | {"gen_ai.evaluation.score.label": "wrong", "gen_ai.evaluation.score.value": 0.0}
        | {"critique_graph.chain": 1, "critique_graph.round": 0},
        place
        | {"gen_ai.evaluation.name": "flip"}
        | {"gen_ai.evaluation.score.label": "wrong_to_correct", "gen_ai.evaluation.score.value": 1.0}
        | {"critique_graph.chain": 1, "critique_graph.round": 1, "gen_ai.response.id": "chatcmpl-3"},
    ]
    records = [log.log_record for log in exporter.get_finished_logs()]
    assert {record.event_name for record in records} == {"gen_ai.evaluation.result"}
    assert {(record.trace_id, record.span_id) for record in records} == {
        (span.get_span_context().trace_id, span.get_span_context().span_id)
    }


async def test_without_a_reference_a_flip_says_only_whether_the_answer_changed():
    exporter, listener = otel()

    await fixed_by_critique().ainvoke({"question": "3 + 4?"}, {"callbacks": [listener]})

    flip = events(exporter)[-1]
    assert flip["gen_ai.evaluation.score.label"] == "answer_changed"
    assert "gen_ai.evaluation.score.value" not in flip


async def test_unreadable_critique_has_no_score():
    exporter, listener = otel()
    graph = create_actor_critic(ScriptedModel(replies=[solution(7)]), ScriptedModel(replies=["Well."])).compile()

    await graph.ainvoke(QUESTION, {"callbacks": [listener]})

    (verdict,) = events(exporter)
    assert verdict["gen_ai.evaluation.score.label"] == "unreadable"
    assert "gen_ai.evaluation.score.value" not in verdict


async def test_one_listener_tells_problems_at_the_same_time_apart():
    exporter, listener = otel()
    actor = ScriptedModel(answer=lambda messages: named(solution(7), f"reply to {messages[-1].text}"))
    critic = ScriptedModel(answer=lambda messages: critique_text("Correct"))
    graph = create_actor_critic(actor, critic).compile()

    await graph.abatch([{"question": f"{n} + 4?", "id": "same"} for n in range(3)], {"callbacks": [listener]})

    judged = [event["gen_ai.response.id"] for event in events(exporter)]
    assert [sum(f"{n} + 4?" in response for response in judged) for n in range(3)] == [1, 1, 1]


async def test_critic_of_an_agent_is_heard_too():
    exporter, listener = otel()
    model = ScriptedModel(replies=[solution(8), solution(7)])
    critic = ScriptedModel(replies=[critique_text("Wrong"), critique_text("Correct")])
    agent = create_agent(model, middleware=[CritiqueMiddleware(critic=critic)])

    await agent.ainvoke({"messages": [("user", "3 + 4?")], "reference": "7"}, {"callbacks": [listener]})  # type: ignore[typeddict-item]

    told = [(event["gen_ai.evaluation.name"], event["gen_ai.evaluation.score.label"]) for event in events(exporter)]
    assert told == [("critic_verdict", "wrong"), ("flip", "wrong_to_correct"), ("critic_verdict", "correct")]


class Requests(requests.Session):
    """Stands in for the connection to LangSmith and keeps what is sent."""

    def __init__(self, status: int = 200) -> None:
        super().__init__()
        self.status = status
        self.sent: list[tuple[str, str, dict[str, Any]]] = []

    def request(self, method: str, url: str, **options: Any) -> requests.Response:  # type: ignore[override]
        answer = requests.Response()
        answer.status_code, answer._content = 200, b"{}"
        if "/sessions" in url:  # of the project, by its name
            project = {
                "id": PROJECT,
                "name": "mine",
                "start_time": NOW,
                "tenant_id": PROJECT,
                "reference_dataset_id": None,
            }
            answer.status_code, answer._content = self.status, json.dumps([project]).encode()
        elif method != "GET":
            self.sent.append((method, url.partition("localhost:1")[2], json.loads(options["data"])))
        return answer

    def posted(self, path: str) -> list[dict[str, Any]]:
        return [body for method, to, body in self.sent if (method, to) == ("POST", path)]


def langsmith(session: Requests) -> Client:
    return Client(api_url="http://localhost:1", api_key="key", session=session, auto_batch_tracing=False)


async def test_feedback_is_on_the_calls_that_wrote_the_judged_responses():
    session, listener = Requests(), LangSmithFeedback()

    with tracing_context(enabled=True, client=langsmith(session), project_name="mine"):
        await fixed_by_critique().ainvoke(QUESTION, {"callbacks": [listener]})
    listener.flush()

    runs = {run["id"]: run for run in session.posted("/runs")}
    root = next(run["id"] for run in runs.values() if run.get("parent_run_id") is None)
    sent = [
        (
            runs[feedback["run_id"]]["name"],
            feedback["key"],
            feedback["value"],
            feedback["score"],
            feedback.get("comment"),
        )
        for feedback in session.posted("/feedback")
    ]
    assert sent == [
        ("actor, chain 0, round 0", "critic_verdict", "correct", 1.0, "because."),
        ("actor, chain 1, round 0", "critic_verdict", "wrong", 0.0, "because."),
        ("actor, chain 1, round 1", "flip", "wrong_to_correct", 1.0, None),
    ]
    assert {(feedback["trace_id"], feedback["session_id"]) for feedback in session.posted("/feedback")} == {
        (root, PROJECT)
    }


async def test_nothing_is_sent_to_langsmith_without_tracing():
    session, listener = Requests(), LangSmithFeedback()

    with tracing_context(enabled=False, client=langsmith(session)):
        await fixed_by_critique().ainvoke(QUESTION, {"callbacks": [listener]})
    listener.flush()

    assert session.sent == []


async def test_feedback_that_langsmith_refuses_costs_a_warning_alone(caplog: pytest.LogCaptureFixture):
    session, listener = Requests(status=403), LangSmithFeedback()

    with tracing_context(enabled=True, client=langsmith(session), project_name="mine"):
        result = await fixed_by_critique().ainvoke(QUESTION, {"callbacks": [listener]})
    listener.flush()

    assert result["answer"] == "7"
    lost = [record.message for record in caplog.records if record.name == "critique_graph.observe.langsmith"]
    assert len(lost) == 3
    assert all(message.startswith("feedback on p1 is lost: ") for message in lost)


async def test_feedback_on_a_recalled_response_is_on_the_vote():
    class Recalls:
        def recall(self, key: Any) -> Any:
            return known.get(str(key))

        def record(self, key: Any, reply: Any) -> None:
            known[str(key)] = reply

    known: dict[str, Any] = {}
    session, listener = Requests(), LangSmithFeedback()
    await fixed_by_critique(log=Recalls()).ainvoke(QUESTION)

    with tracing_context(enabled=True, client=langsmith(session)):
        await fixed_by_critique(log=Recalls()).ainvoke(QUESTION, {"callbacks": [listener]})
    listener.flush()

    names = {run["id"]: run["name"] for run in session.posted("/runs")}
    assert [names[feedback["run_id"]] for feedback in session.posted("/feedback")] == ["vote"] * 3


def test_opentelemetry_that_is_missing_is_one_clear_line(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "opentelemetry._logs", None)
    monkeypatch.delitem(sys.modules, "critique_graph.observe.opentelemetry")
    with pytest.raises(MissingDependencyError, match=r"needs opentelemetry-api: pip install .critique-graph\[otel\]"):
        importlib.import_module("critique_graph.observe.opentelemetry")
