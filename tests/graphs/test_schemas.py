"""What forms and MCP clients read: the JSON schema of every graph's input says what each field is."""

import pytest
from every_graph import EVERY_GRAPH, models

from critique_graph import create_actor_critic, create_ask, create_chat

INPUTS = EVERY_GRAPH | {"ask": create_ask, "chat": create_chat}


@pytest.mark.parametrize("create", INPUTS.values(), ids=INPUTS)
def test_every_field_of_the_input_is_described(create):
    fields = create(*models()).compile().get_input_jsonschema()["properties"]

    assert [name for name, field in fields.items() if not field.get("description")] == []


def test_question_is_required_and_its_form_is_filled_in_with_the_first_example():
    schema = create_actor_critic(*models()).compile().get_input_jsonschema()

    question = schema["properties"]["question"]
    assert schema["required"] == ["question"]
    assert question["default"] == question["examples"][0]
    assert len(question["examples"]) == 3


def test_first_example_and_its_reference_belong_together():
    fields = create_actor_critic().compile().get_input_jsonschema()["properties"]
    questions, references = fields["question"]["examples"], fields["reference"]["examples"]

    result = create_actor_critic(samples=8).compile().invoke({"question": questions[0], "reference": references[0]})

    assert result["correct"]
