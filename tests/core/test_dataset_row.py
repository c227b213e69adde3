"""Rows of a data set name the problem they are about, even if they were written before they had the field."""

import json

import pytest

from critique_graph.core.dataset_row import DatasetRow

ROW = DatasetRow(id="set/7/rg1-0", problem="set/7", question="?", reference="7", level=None, source=None)


@pytest.mark.parametrize("given", [ROW.model_dump(), ROW.model_dump(exclude={"problem"})], ids=["now", "before"])
def test_row_is_read_with_its_problem(given: dict[str, object]) -> None:
    assert DatasetRow.model_validate_json(json.dumps(given)) == ROW


def test_row_without_id_is_no_row() -> None:
    with pytest.raises(ValueError, match="id"):
        DatasetRow.model_validate({"question": "?"})
