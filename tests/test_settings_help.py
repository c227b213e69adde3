"""The docstrings of settings are the help of the flags: each must stand alone, for `--help` sorts them into groups."""

import importlib
import pkgutil
from collections.abc import Iterator

import pytest
from cyclopts import App
from pydantic.fields import FieldInfo

import critique_graph
from critique_graph import cli
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
    verbs |= {"SelfTalkSettings", "TrainSettings", "ImproveSettings", "StudySettings"}
    assert verbs <= {name.partition(".")[0] for name in FIELDS}


def stands_alone(statement: str) -> bool:
    words = " ".join(statement.split())
    is_full = len(words.split()) >= SHORTEST and words.endswith((".", ".)"))
    return is_full and not words.lower().startswith(tuple(f"{word} " for word in LEANING))


@pytest.mark.parametrize("field", FIELDS.values(), ids=FIELDS)
def test_docstring_of_a_setting_is_a_full_statement(field: FieldInfo):
    assert field.description is not None
    assert stands_alone(field.description)


def flags(app: App, path: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    for name in app:
        if name.startswith("-"):
            continue
        if app[name].default_command:
            for argument in app[name].assemble_argument_collection(parse_docstring=True):
                if argument.show:
                    yield " ".join((*path, name, argument.name)), argument.parameter.help or ""
        yield from flags(app[name], (*path, name))


HELP = dict(flags(cli.app))


def test_every_verb_is_walked():
    assert {flag.split()[0] for flag in HELP} >= {
        "solve",
        "run",
        "generate",
        "compare",
        "eval-critic",
        "improve",
        "train",
    }


@pytest.mark.parametrize("flag", HELP)
def test_help_of_a_flag_is_a_full_statement(flag: str):
    assert stands_alone(HELP[flag]), HELP[flag]
