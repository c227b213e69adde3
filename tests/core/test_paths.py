"""The records of critique data that earlier versions wrote."""

from critique_graph.core.paths import ReasoningPath, Trial
from critique_graph.generate.dataset import CritiqueRow

EARLIER = {"asked": 8, "tried": 4, "right_with": 4, "right_without": 0, "refinement": "3 + 4 = 7."}


def test_trial_of_an_earlier_version_has_as_many_refinements_without_the_critique():
    path = ReasoningPath.model_validate({"name": "sample-0", "strategy": "rg1", "trial": EARLIER})
    assert path.trial == Trial(**EARLIER, tried_without=4)
    assert path.usage == {}


def test_row_of_an_earlier_version_has_them_only_where_the_response_is_wrong():
    row = dict.fromkeys(CritiqueRow.model_fields, None)
    row |= dict.fromkeys(("id", "question", "reference", "response", "critique", "actor", "annotator", "problem"), "x")
    row |= {"strategy": "rg1", "verdict": "wrong", "refinements": 4, "right_with": 4, "right_without": 0}
    del row["refinements_without"]
    counts = [CritiqueRow.model_validate(row | {"is_correct": is_correct}) for is_correct in (False, True)]
    assert [read.refinements_without for read in counts] == [4, 0]
