"""Several questions on one thread of a checkpointer: each starts clean, and a paused one goes on."""

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from every_graph import EVERY_GRAPH, models
from fakes import ScriptedModel, critique_text, solution
from langchain_core.messages import BaseMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt
from typing_extensions import TypedDict

from critique_graph.calls.caller import CallKey
from critique_graph.core.schema import Reply
from critique_graph.graphs.actor_critic import create_actor_critic
from critique_graph.graphs.judge import create_judge

THREAD: Any = {"configurable": {"thread_id": "1"}}
FIRST = {"question": "How many apples has Ann?", "reference": "7", "id": "first"}
SECOND = {"question": "How many pears has Ben?", "reference": "8"}
NEEDS_REFERENCE = ("pool", "exploration", "flawed_paths", "auto_critique")


class Log:
    """A journal in memory."""

    def __init__(self) -> None:
        self.replies: dict[CallKey, Reply] = {}

    def recall(self, key: CallKey) -> Reply | None:
        return self.replies.get(key)

    def record(self, key: CallKey, reply: Reply) -> None:
        self.replies[key] = reply


def timeless(result: Any) -> Any:
    """A result without what differs between two equal runs."""
    if isinstance(result, dict):
        return {key: timeless(value) for key, value in result.items() if key not in ("started", "seconds")}
    return [timeless(one) for one in result] if isinstance(result, list) else result


def without_reference(question: dict[str, Any], name: str) -> dict[str, Any]:
    kept = ("question", "reference") if name in NEEDS_REFERENCE else ("question",)
    return {key: question[key] for key in kept}


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("name", EVERY_GRAPH)
def test_second_question_ends_as_on_a_thread_of_its_own(name: str, is_async: bool):
    def ask(graph: Any, question: dict[str, Any]) -> Any:
        return asyncio.run(graph.ainvoke(question, THREAD)) if is_async else graph.invoke(question, THREAD)

    second = without_reference(SECOND, name)
    old, new = (EVERY_GRAPH[name](*models()).compile(checkpointer=InMemorySaver()) for _ in range(2))
    ask(old, FIRST)

    assert timeless(ask(old, second)) == timeless(ask(new, second))
    assert timeless(old.get_state(THREAD).values) == timeless(new.get_state(THREAD).values)


@pytest.mark.parametrize("name", EVERY_GRAPH)
def test_same_question_again_uses_as_much_as_at_first(name: str):
    graph = EVERY_GRAPH[name](*models()).compile(checkpointer=InMemorySaver())

    usages = [graph.invoke(FIRST, THREAD)["usage"] for _ in range(3)]

    assert usages[1:] == usages[:2]


def test_question_without_an_id_recalls_no_reply_to_the_one_before():
    actor, critic = models()
    graph = create_actor_critic(actor, critic, log=Log()).compile(checkpointer=InMemorySaver())

    graph.invoke(FIRST, THREAD)
    graph.invoke({"question": SECOND["question"]}, THREAD)

    assert [str(SECOND["question"]) in text for text in actor.texts] == [False, True]


def test_second_question_is_clean_in_a_database(tmp_path: Path):
    connection = sqlite3.connect(tmp_path / "app.sqlite", check_same_thread=False)
    graph = create_actor_critic(*models()).compile(checkpointer=SqliteSaver(connection))

    graph.invoke(FIRST, THREAD)
    result = graph.invoke({"question": SECOND["question"]}, THREAD)

    assert (result["correct"], result["grade"], result["chains"][0]["response"]["grade"]) == (None, None, None)


def test_second_question_at_the_oracle_gate_needs_a_reference_of_its_own():
    graph = create_actor_critic(*models(), gate="oracle").compile(checkpointer=InMemorySaver())
    graph.invoke(FIRST, THREAD)

    with pytest.raises(ValueError, match="needs a reference answer"):
        graph.invoke({"question": SECOND["question"]}, THREAD)


def test_steps_of_the_first_question_are_not_judged_in_the_second():
    actor, critic = models()
    graph = create_judge(actor, critic).compile(checkpointer=InMemorySaver())

    graph.invoke({**FIRST, "steps": ["Ann has 9."]}, THREAD)
    result = graph.invoke({"question": SECOND["question"]}, THREAD)

    assert (result["chains"][0]["response"]["text"], len(actor.prompts)) == (solution(7), 1)


def test_question_after_one_that_was_refused_or_stopped_is_clean():
    actor = ScriptedModel(answer=lambda messages: solution(7))
    graph = create_actor_critic(actor, ScriptedModel(), rounds=0).compile(checkpointer=InMemorySaver())

    with pytest.raises(TypeError, match="reference"):
        graph.invoke({**FIRST, "reference": ["7"]}, THREAD)
    assert graph.invoke({"question": "a"}, THREAD)["grade"] is None
    graph.invoke(FIRST, THREAD, interrupt_before=["solve"])
    assert graph.invoke({"question": "b"}, THREAD)["grade"] is None
    graph.invoke(FIRST, THREAD, interrupt_after=["solve"])
    assert graph.invoke({"question": "c"}, THREAD)["grade"] is None


@pytest.mark.parametrize("place", [{"interrupt_before": ["solve"]}, {"interrupt_after": ["solve"]}])
def test_question_that_was_stopped_goes_on_with_its_reference(place: dict[str, Any]):
    graph = create_actor_critic(*models(), rounds=0).compile(checkpointer=InMemorySaver())

    graph.invoke(FIRST, THREAD, **place)

    assert graph.invoke(None, THREAD)["correct"] is True


def asks_a_person(messages: list[BaseMessage]) -> Any:
    return interrupt("judge this")


def test_second_question_that_pauses_shows_no_answer_of_the_first_and_goes_on_with_its_own_reference():
    actor = ScriptedModel(replies=[solution(7), solution(9), solution(8)])
    graph = create_actor_critic(actor, ScriptedModel(answer=asks_a_person)).compile(checkpointer=InMemorySaver())
    graph.invoke(FIRST, THREAD)
    graph.invoke(Command(resume=critique_text("Correct")), THREAD)

    paused = graph.invoke(SECOND, THREAD)
    assert [paused.get(key) for key in ("answer", "correct", "grade", "ballot", "usage", "changes")] == [None] * 6
    result = graph.invoke(Command(resume=critique_text("Wrong")), THREAD)

    assert (result["answer"], result["correct"], len(result["chains"][0]["rounds"])) == ("8", True, 1)
    assert len(actor.prompts) == 3, "no response was sampled again"


def test_actor_may_be_the_person_who_is_waited_for():
    actor = ScriptedModel(answer=asks_a_person)
    graph = create_actor_critic(actor, ScriptedModel(), rounds=0).compile(checkpointer=InMemorySaver())

    graph.invoke(FIRST, THREAD)

    assert graph.invoke(Command(resume=solution(7)), THREAD)["correct"] is True


class ParentState(TypedDict, total=False):
    question: str
    reference: str | None
    id: str
    problem: str
    chains: list[Any]
    usage: dict[str, Any]
    answer: str | None
    correct: bool | None
    grade: dict[str, Any] | None


def parent_of(loop: Any) -> Any:
    parent = StateGraph(ParentState).add_node("loop", loop).add_edge(START, "loop")
    return parent.compile(checkpointer=InMemorySaver())


@pytest.mark.parametrize("checkpointer", [None, True, False], ids=["of the parent", "own state", "none"])
def test_parents_reference_counts_for_each_of_its_questions(checkpointer: Any):
    graph = parent_of(create_actor_critic(*models(), rounds=0).compile(checkpointer=checkpointer))

    first = graph.invoke({**FIRST, "problem": "the parent's own"}, THREAD)
    second = graph.invoke({**SECOND, "id": "second"}, THREAD)
    third = graph.invoke({"question": "How many?", "reference": None, "id": "third"}, THREAD)

    assert [result["correct"] for result in (first, second, third)] == [True, False, None]
    assert [len(result["chains"]) for result in (first, second, third)] == [1, 1, 1]
    assert third["problem"] == "the parent's own"
    assert [result["usage"]["total"]["calls"] for result in (first, second, third)] == [1, 1, 1]


def test_parents_chains_and_usage_are_not_taken_over():
    graph = parent_of(create_actor_critic(*models(), rounds=0).compile())

    result = graph.invoke({**FIRST, "chains": [{"index": 9}], "usage": {"actor": {"calls": 100}}}, THREAD)

    assert ([chain["index"] for chain in result["chains"]], result["usage"]["actor"]["calls"]) == ([0], 1)


def test_chat_of_several_turns_asks_each_question_anew():
    actor, critic = models()
    loop = create_actor_critic(actor, critic, rounds=0).compile()
    chat = StateGraph(ParentState)
    chat.add_node("think", lambda state: {"answer": loop.invoke({"question": state["question"]})["grade"]})
    chat.add_edge(START, "think")
    app = chat.compile(checkpointer=InMemorySaver())

    assert [app.invoke(question, THREAD)["answer"] for question in (FIRST, {"question": "b"})] == [None, None]
    assert len(actor.prompts) == 2
