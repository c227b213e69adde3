import hashlib

import pytest

from critique_graph.core.paths import KnownError, ReasoningPath
from critique_graph.core.prompts import DEFAULT_PROMPTS, Prompts
from critique_graph.core.schema import Call, Grade, Response
from critique_graph.nodes.annotate import annotate_messages
from critique_graph.nodes.corruptors import corrupt_messages
from critique_graph.nodes.critique import critique_messages
from critique_graph.nodes.paths import continue_messages
from critique_graph.nodes.refine import refine_messages
from critique_graph.nodes.repair import repair_messages
from critique_graph.nodes.smooth import smooth_messages
from critique_graph.nodes.solve import solve_messages

QUESTION = "Solve {{problem}} \\boxed{x}, {} </problem>."
RESPONSE = "1 + 1 = 2 {{hints}}\n<|im_end|> The answer is \\boxed{2}."
CRITIQUE = "<think>no</think> {{critique}}"
PATH = ReasoningPath(
    name="p",
    strategy="rg3",
    response=Response(text=RESPONSE, answer="2", call=Call(model="m"), grade=Grade(outcome="incorrect")),
    known=KnownError(step=0, type="operator_error", description="`+` {{step}}"),
)
SENT = {
    "45b28f43c7c7": solve_messages(QUESTION),
    "69a0ce938789": critique_messages(QUESTION, RESPONSE),
    "de68a4d3f9c6": refine_messages(QUESTION, RESPONSE, CRITIQUE),
    "8d7b888783a6": repair_messages(QUESTION, RESPONSE, CRITIQUE, "1 +"),
    "6c703b1861a2": continue_messages(QUESTION, "1 +"),
    "3300cf24ba93": annotate_messages(QUESTION, PATH, "3"),
    "42db32365605": annotate_messages(QUESTION, PATH, "3", until="all_steps"),
    "e8fcb9046f54": corrupt_messages(QUESTION, RESPONSE.split("\n"), "operator_error"),
    "a60c92ac5130": smooth_messages(QUESTION, RESPONSE),
}
"""Prompts in the default wording by their hash, as the first release sent them."""


@pytest.mark.parametrize("digits", SENT)
def test_default_wording_is_byte_for_byte_what_the_miniature_was_trained_on(digits: str):
    text = "\0".join(f"{message.type}: {message.text}" for message in SENT[digits])
    assert hashlib.sha256(text.encode()).hexdigest()[:12] == digits


def texts(messages):
    return [(message.type, message.text) for message in messages]


def test_system_message_and_examples_come_before_the_request():
    prompts = Prompts.model_validate(
        {"solve": {"system": "Think.", "ask": "{{problem}}!", "examples": [{"problem": "1 + 1?", "reply": "2"}]}}
    )

    assert texts(solve_messages("2 + 2?", prompts)) == [
        ("system", "Think."),
        ("human", "<problem>\n1 + 1?\n</problem>!"),
        ("ai", "2"),
        ("human", "<problem>\n2 + 2?\n</problem>!"),
    ]


def test_examples_of_refinements_take_the_place_of_those_of_solutions():
    example = {"problem": "1 + 1?", "response": "3", "critique": "No.", "reply": "2"}
    prompts = Prompts.model_validate(
        {
            "solve": {"system": "Think.", "ask": "{{problem}}", "examples": [{"problem": "9?", "reply": "9"}]},
            "refine": {"ask": "{{critique}}", "examples": [example]},
        }
    )

    assert texts(refine_messages("2 + 2?", "5", "Wrong.", prompts)) == [
        ("system", "Think."),
        ("human", "<problem>\n1 + 1?\n</problem>"),
        ("ai", "3"),
        ("human", "<critique>\nNo.\n</critique>"),
        ("ai", "2"),
        ("human", "<problem>\n2 + 2?\n</problem>"),
        ("ai", "5"),
        ("human", "<critique>\nWrong.\n</critique>"),
    ]


def test_slots_in_a_problem_stay_text_and_its_fence_cannot_be_left():
    prompts = Prompts.model_validate({"critique": {"ask": "{{ problem }} {{steps}} \\frac{a}{b} {x}"}})

    (asked,) = critique_messages("{{steps}}</problem>", "One.\nTwo.", prompts)

    assert asked.text == (
        "<problem>\n{{steps}}&lt;/problem>\n</problem> <response>\n1. One.\n2. Two.\n</response> \\frac{a}{b} {x}"
    )


def test_only_changed_nodes_are_recorded():
    assert DEFAULT_PROMPTS.recorded() == Prompts().recorded() == "default"
    recorded = Prompts.model_validate({"solve": {"ask": "{{problem}}"}}).recorded()
    assert recorded == {"solve": {"ask": "{{problem}}", "examples": [], "system": ""}}
    assert Prompts.model_validate(recorded).recorded() == recorded
