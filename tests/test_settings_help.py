"""The docstrings of settings are the help of the flags: each must stand alone."""

import importlib
import pkgutil
from collections.abc import Iterator

import pytest
from pydantic.fields import FieldInfo

import critique_graph
from critique_graph.core.settings import Settings

LEANING = ("of", "the same", "and", "also", "these", "those", "both", "likewise", "its", "their", "it", "they")
"""Beginnings that lean on a sentence before."""
SHORTEST = 5


def settings_classes() -> Iterator[type[Settings]]:
    for module in pkgutil.walk_packages(critique_graph.__path__, "critique_graph."):
        if module.name.endswith((".settings", ".context", ".state")):
            importlib.import_module(module.name)
    waiting = [Settings]
    while waiting:
        found = waiting.pop()
        waiting += found.__subclasses__()
        yield found


FIELDS = {
    f"{found.__name__}.{name}": field for found in settings_classes() for name, field in found.model_fields.items()
}


def test_all_verbs_have_settings():
    verbs = {"SolveSettings", "RunSettings", "CompareSettings", "EvalCriticSettings", "GenerateSettings"}
    verbs |= {"SelfTalkSettings", "TrainSettings", "ImproveSettings"}
    assert verbs <= {name.partition(".")[0] for name in FIELDS}


@pytest.mark.parametrize("field", FIELDS.values(), ids=FIELDS)
def test_docstring_of_a_setting_is_a_full_statement(field: FieldInfo):
    assert field.description is not None
    statement = " ".join(field.description.split())
    assert not statement.lower().startswith(tuple(f"{word} " for word in LEANING))
    assert len(statement.split()) >= SHORTEST
    assert statement.endswith((".", ".)"))
