"""The models, grader and settings in force of a graph's invocation."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from langchain_core.language_models import BaseChatModel
from langgraph.runtime import get_runtime
from pydantic import BaseModel

from critique_graph.calls.caller import Caller, CallLog
from critique_graph.core.context import GraphSettings
from critique_graph.core.errors import InputError
from critique_graph.core.schema import Role
from critique_graph.core.settings import Settings as OwnSettings
from critique_graph.grading.grader import Grader

Model = str | BaseChatModel
"""A chat model, or a string that names one."""
CONTEXT_KEY = "critique_graph"
"""Key or attribute of an application's context that holds the settings meant for this package's graphs."""
EXACT = "exact"
"""The word in the place of a model where code plays the role."""
PLAYED_BY_CODE: frozenset[Role] = frozenset({"corruptor", "smoother"})
"""Roles that code can play."""
Settings = TypeVar("Settings", bound=BaseModel)
ContextT = TypeVar("ContextT", bound=GraphSettings, covariant=True)


@dataclass(frozen=True)
class Players(Generic[ContextT]):
    """The models that play the roles, the settings unless the invocation changes them, and the grader."""

    models: Mapping[Role, Model]
    """Models by role; a role that code can play may have a word such as `exact` instead."""
    defaults: ContextT
    grader: Grader
    load: Callable[[Model], BaseChatModel]
    """Loads the chat model that a string names; a function, because folders below `models` cannot import it."""
    log: CallLog | None = None

    def context(self) -> ContextT:
        """Give the settings in force in this invocation."""
        return in_force(self.defaults)

    def model(self, role: Role) -> Model:
        """Give the model of `role` in this invocation."""
        return getattr(self.context(), role) or self.models[role]

    def caller(self, role: Role) -> Caller:
        """Give the caller that makes the calls of `role` in this invocation."""
        context = self.context()
        temperature, max_tokens = context.sampling(role)
        return Caller(
            model=self.load(self.model(role)),
            role=role,
            temperature=temperature,
            max_tokens=max_tokens,
            seed=context.seed,
            log=self.log,
        )


def in_force(defaults: Settings) -> Settings:
    """Give the settings of this invocation: those its context sets, and otherwise those of the graph's creation."""
    given = _given(get_runtime(type(defaults)).context, type(defaults))
    known = type(defaults).model_fields
    update = {name: value for name, value in given.items() if name in known}
    return defaults.model_copy(update=update) if update else defaults


def _given(context: object, kind: type[BaseModel]) -> Mapping[str, Any]:
    """Give the settings in an invocation's context.

    Settings of this package are meant for its graphs. Any other context belongs to the application around the graph:
    only what it holds under `CONTEXT_KEY` is read.
    """
    if isinstance(context, OwnSettings):
        return context.model_dump(exclude_unset=True)
    own = context.get(CONTEXT_KEY) if isinstance(context, Mapping) else getattr(context, CONTEXT_KEY, None)
    if own is None:
        return {}
    if isinstance(own, OwnSettings):
        return own.model_dump(exclude_unset=True)
    if not isinstance(own, Mapping):
        raise InputError(f"{CONTEXT_KEY} in the context must be a mapping of settings, got {type(own).__name__}.")
    return kind.model_validate(dict(own)).model_dump(exclude_unset=True)
