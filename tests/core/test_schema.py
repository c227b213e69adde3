"""Records read what was written before they had all their fields."""

import json

import pytest

from critique_graph.core.schema import FlawedPath

SECOND = FlawedPath(name="rg2-0.1", critique_number=1, strategy="rg2")


@pytest.mark.parametrize("unwritten", [set(), {"critique_number"}], ids=["now", "before"])
def test_path_is_read_with_the_number_of_its_critique(unwritten: set[str]) -> None:
    assert FlawedPath.model_validate_json(json.dumps(SECOND.model_dump(exclude=unwritten))) == SECOND


@pytest.mark.parametrize(("name", "number"), [("rg2-0", 0), ("rg2-0.1", 1), ("rg2-0.12", 12)])
def test_critiques_of_a_path_share_its_name(name: str, number: int) -> None:
    path = FlawedPath.model_validate({"name": name, "strategy": "rg2"})
    assert (path.critique_number, path.path_name) == (number, "rg2-0")
