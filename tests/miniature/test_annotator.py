import pytest
from langchain_core.messages import HumanMessage

from critique_graph.core.critique import parse_critique
from critique_graph.core.errors import ModelCallError
from critique_graph.miniature.annotator import ExactAnnotator, read_exercise
from critique_graph.miniature.critiques import THINK_CLOSE, THINK_OPEN, critique_completion, critique_text
from critique_graph.miniature.solutions import gold_response
from critique_graph.miniature.task import generate_exercises
from critique_graph.models.load import load_model
from critique_graph.nodes.critique import critique_messages


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_every_question_is_read_back_into_its_operations(split):
    for exercise in generate_exercises(1000, seed=12, split=split):
        read = read_exercise(exercise.problem.question)
        assert (read.operations, read.noun) == (exercise.operations, exercise.noun)
        assert read.problem.answer == exercise.problem.answer


@pytest.mark.parametrize("question", ["", "What is 2 + 3?", "Tom has 3 pens. How many pens does Tom have?"])
def test_other_questions_are_not_read(question):
    assert read_exercise(question) is None


def test_annotator_writes_the_exact_critique():
    (exercise,) = generate_exercises(1, seed=3, split="train")
    response = gold_response(exercise).replace("= ", "= 1", 1)
    reply = load_model("miniature:annotator").invoke(critique_messages(exercise.problem.question, response))
    assert reply.text == critique_text(exercise, response)
    assert THINK_OPEN + reply.additional_kwargs["reasoning_content"] + THINK_CLOSE + reply.text == critique_completion(
        exercise, response
    )
    assert parse_critique(reply.text, response).final == "wrong"


def test_annotator_refuses_what_it_cannot_read():
    with pytest.raises(ModelCallError, match="reads the miniature's own problems alone"):
        ExactAnnotator().invoke([HumanMessage("<problem>\nWhat is 2 + 3?\n</problem>")])
