"""What a verb works with: its settings, the models that they name, and the problems."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from langchain_core.runnables import Runnable

from critique_graph.core.schema import Problem
from critique_graph.models.roles import load_roles, name_of, plain_model
from critique_graph.problems.problem_set import Problems, ProblemSet, name_of_problems
from critique_graph.verbs.settings import Roles, warn_about_servers


class VerbSettings(Protocol):
    """Settings that name the models of a verb."""

    def roles(self) -> Roles:
        """Give the model of each role, with its server."""
        ...


Settings = TypeVar("Settings", bound=VerbSettings)


@dataclass(frozen=True)
class Job(Generic[Settings]):
    """What a verb works with."""

    settings: Settings
    models: Mapping[str, Any]
    """Models by role: chat models, ready to be called, or a word such as `exact` for a role that code plays."""
    problems: ProblemSet


def read_settings(kind: Callable[..., Settings], keywords: Mapping[str, Any]) -> Settings:
    """Read a verb's settings; chat models are recorded by their names.

    Raises:
        TypeError: A model is no chat model, or arguments are bound to it.
        pydantic.ValidationError: A setting is unknown or out of its range.
    """
    return kind(**{name: _named(name, value) for name, value in keywords.items()})


def _named(name: str, value: Any) -> Any:
    return name_of(plain_model(name, value)) if isinstance(value, Runnable) else value


def prepare(
    kind: Callable[..., Settings], keywords: Mapping[str, Any], find: Callable[[Settings], ProblemSet]
) -> Job[Settings]:
    """Read a verb's settings, find its problems and load its models, so that errors in them are raised now.

    Args:
        kind: The settings' class.
        keywords: The settings; models are strings or chat models, which are recorded by their names.
        find: Finds the problems.

    Raises:
        InputError: A set or a model cannot be used, or a server that was named does not answer.
        MissingDependencyError: Something needs an extra that is not installed.
        TypeError: A model is no chat model, or arguments are bound to it.
        pydantic.ValidationError: A setting is unknown or out of its range.
    """
    chat_models = {name: plain_model(name, value) for name, value in keywords.items() if isinstance(value, Runnable)}
    settings = read_settings(kind, keywords)
    if "actor" in chat_models and "critic" not in keywords:  # as the settings have it for names
        chat_models["critic"] = chat_models["actor"]
    found = find(settings)
    roles = settings.roles()
    warn_about_servers(settings, roles)
    return Job(settings, load_roles({role: chat_models.get(role, model) for role, model in roles.items()}), found)


def prepare_problems(
    kind: Callable[..., Settings],
    problems: Problems,
    keywords: Mapping[str, Any],
    find: Callable[[Settings, Sequence[Problem] | None], ProblemSet],
) -> Job[Settings]:
    """Prepare a verb (see `prepare`) that gets the name of a problem set or the problems themselves."""
    given = None if isinstance(problems, str | Path) else tuple(problems)
    name = name_of_problems(problems if given is None else given)
    return prepare(kind, {**keywords, "problems": name}, lambda settings: find(settings, given))
