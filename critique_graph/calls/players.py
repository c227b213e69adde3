"""The models, task and settings in force of a graph's invocation."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableBinding, RunnableWithFallbacks
from langchain_core.runnables.retry import RunnableRetry
from langgraph.runtime import get_runtime
from pydantic import BaseModel

from critique_graph.calls.caller import Caller, CallLog
from critique_graph.core.context import GraphSettings
from critique_graph.core.prompts import DEFAULT_PROMPTS, Prompts
from critique_graph.core.schema import Role
from critique_graph.grading.grader import Grader
from critique_graph.tasks.task import Task

PlainModel = str | BaseChatModel
"""A chat model, or a string that names one."""
Model = PlainModel | RunnableBinding[LanguageModelInput, AIMessage]
"""A model of a graph, which may have arguments bound to it (`.bind(...)`, `.with_config(...)`)."""
EXACT = "exact"
"""The word in the place of a model where code plays the role."""
PLAYED_BY_CODE: frozenset[Role] = frozenset({"corruptor", "smoother"})
"""Roles that code can play."""
_SET_BY_GRAPH = frozenset({"temperature", "max_tokens", "seed"})
PARENT_KEY = "critique_graph"
"""Field or key of a parent graph's context in which it sets the graphs of this package."""
Settings = TypeVar("Settings", bound=BaseModel)
ContextT = TypeVar("ContextT", bound=GraphSettings, covariant=True)


@dataclass(frozen=True)
class Players(Generic[ContextT]):
    """The models that play the roles, the settings unless the invocation changes them, and the task."""

    models: Mapping[Role, Model]
    """Models by role; a role that code can play may have a word such as `exact` instead."""
    defaults: ContextT
    task: Task
    load: Callable[[PlainModel], BaseChatModel]
    """Loads the chat model that a string names; a function, because folders below `models` cannot import it."""
    log: CallLog | None = None
    prompts: Prompts = DEFAULT_PROMPTS

    @property
    def grader(self) -> Grader:
        """The grader of the task."""
        return self.task.grader

    def context(self) -> ContextT:
        """Give the settings in force in this invocation."""
        return in_force(self.defaults)

    def model(self, role: Role) -> Model:
        """Give the model of `role` in this invocation."""
        return getattr(self.context(), role) or self.models[role]

    def caller(self, role: Role, context: GraphSettings | None = None) -> Caller:
        """Give the caller that makes the calls of `role` in this invocation, whose settings may be given."""
        context = self.context() if context is None else context
        model = getattr(context, role) or self.models[role]
        temperature, max_tokens = context.sampling(role)
        return Caller(
            model=self.load(unbound(role, model)),
            bound=model if isinstance(model, RunnableBinding) else None,
            role=role,
            temperature=temperature,
            max_tokens=max_tokens,
            seed=context.seed,
            name=model if isinstance(model, str) else None,
            log=self.log,
        )


def unbound(role: str, model: object) -> PlainModel:
    """Give the model that `.bind(...)` or `.with_config(...)` was called on, or `model` itself.

    Raises:
        TypeError: It is no model, or one that would choose or repeat calls by itself.
        ValueError: An argument is bound that the graph sets.
    """
    while isinstance(model, RunnableBinding):
        if taken := sorted(_SET_BY_GRAPH & model.kwargs.keys()):
            raise ValueError(
                f"{role}: {taken[0]} is bound to the model, but the graph sets it: use the graph's setting."
            )
        model = model.bound
    match model:
        case str() | BaseChatModel():
            return model
        case RunnableRetry():
            raise TypeError(f"{role}: pass the model without .with_retry(): the graph retries failed calls itself.")
        case RunnableWithFallbacks():
            raise TypeError(
                f"{role}: pass one model, without .with_fallbacks(): every reply is recorded with its model."
            )
        case _:
            raise TypeError(f"{role} must be a model string or a chat model, got {type(model).__name__}.")


def in_force(defaults: Settings) -> Settings:
    """Give the settings of this invocation: those its context sets, and otherwise those of the graph's creation.

    LangGraph hands the context of a parent graph on to the graphs inside it. Of a context that is not the graph's own,
    only the field or key `critique_graph` is meant for this package; the rest stays unread, whatever its names.

    Raises:
        TypeError: The field or key `critique_graph` holds neither settings of this graph nor a dict.
        pydantic.ValidationError: A setting in it is unknown or out of its range.
    """
    kind, given = type(defaults), get_runtime(type(defaults)).context
    own = given if isinstance(given, kind) else _meant_for_us(given, kind)
    if own is None:
        return defaults
    return defaults.model_copy(
        update={name: getattr(own, name) for name in own.model_fields_set & set(kind.model_fields)}
    )


def _meant_for_us(given: object, kind: type[Settings]) -> Settings | None:
    """Read the settings that the context of a parent graph has for a graph of this package."""
    found = given.get(PARENT_KEY) if isinstance(given, Mapping) else getattr(given, PARENT_KEY, None)
    if found is None or isinstance(found, kind):
        return found
    if isinstance(found, Mapping):
        return kind.model_validate(dict(found))
    raise TypeError(f"{PARENT_KEY} in the context must be a dict or {kind.__name__}, got {type(found).__name__}.")
