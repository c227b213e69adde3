"""The released MathCritique format, on all released examples where they are at hand."""

import json
from pathlib import Path

import pytest

from critique_graph.core.errors import InputError
from critique_graph.trainers.mathcritique import MathCritiqueExample, read_example, write_example

RELEASED = Path(__file__).parents[3] / "shared" / "data" / "mathcritique"


@pytest.mark.parametrize("kind", ["gsm8k", "math"])
def test_released_examples_come_back_as_they_were(kind: str):
    path = RELEASED / f"llama3_8b_{kind}.json"
    if not path.exists():
        pytest.skip(f"{path} is not on this machine")
    records = json.loads(path.read_text())
    assert len(records) == 100
    for record in records:
        example = read_example(record)
        assert example.answer_form == kind
        assert write_example(example) == record


@pytest.mark.parametrize("answer_form", ["gsm8k", "math"])
def test_example_comes_back_as_it_was(answer_form: str):
    texts = {"question": "What is 2 + 3?", "response": "It is 6.", "critique": "Wrong.", "refinement": "It is 5."}
    example = MathCritiqueExample(**texts, answer_form=answer_form)
    assert read_example(write_example(example)) == example


@pytest.mark.parametrize("record", [{}, {"instruction": "What is 2 + 3?", "input": "", "output": "5"}])
def test_other_records_are_refused(record: dict[str, str]):
    with pytest.raises(InputError, match="no record of the MathCritique format"):
        read_example(record)
