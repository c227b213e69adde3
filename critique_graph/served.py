"""The compiled graphs that `langgraph.json` serves, within the limits that their operator sets.

Whoever can reach the server can call them. So they play the miniature, a caller may name only the models that the
operator allows, and every number of calls and tokens is bounded. `create_self_improve` is not served: it trains, and it
writes into any folder. No checkpointer is compiled in: the server brings its own.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self, TypeVar, get_args

from langgraph.graph import StateGraph
from langgraph.graph.state import CompiledStateGraph
from pydantic import Field, create_model

from critique_graph.calls.players import EXACT, PLAYED_BY_CODE
from critique_graph.core.context import Context, GenerationContext, GraphSettings, SelfTalkContext
from critique_graph.core.errors import InputError
from critique_graph.core.schema import Role
from critique_graph.graphs.actor_critic import create_actor_critic
from critique_graph.graphs.auto_critique import create_auto_critique
from critique_graph.graphs.chat import create_ask, create_chat
from critique_graph.graphs.flawed_paths import create_flawed_paths
from critique_graph.graphs.self_talk import create_self_talk

Settings = TypeVar("Settings", bound=GraphSettings)

_DRAWS = (
    *("samples", "attempts", "rollouts", "critiques", "refinements", "max_refinements", "refine_best"),
    *("min_right", "paths"),
)
_ROUNDS = ("rounds", "repairs")
_TOKENS = ("max_tokens", "critic_max_tokens", "annotator_max_tokens", "smoother_max_tokens")


@dataclass(frozen=True)
class Limits:
    """The most that a caller of the served graphs may ask for."""

    models: tuple[str, ...] = ("miniature:actor", "miniature:critic", "miniature:annotator")
    """Model strings that a caller may name."""
    samples: int = 16
    """Maximum of every number of draws, and of critiques of a path."""
    rounds: int = 8
    """Maximum number of rounds, and of repairs."""
    tokens: int = 4096
    """Maximum of every limit of tokens of one reply."""

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """Read the operator's limits; what is not set keeps its default.

        Raises:
            InputError: A limit is not a whole number of at least 1.
        """
        given: dict[str, Any] = {}
        if models := environment.get("CRITIQUE_GRAPH_SERVED_MODELS", "").split():
            given["models"] = tuple(models)
        for name in ("samples", "rounds", "tokens"):
            variable = f"CRITIQUE_GRAPH_MAX_{name.upper()}"
            if text := environment.get(variable, "").strip():
                if not text.isdecimal() or int(text) < 1:
                    raise InputError(f"{variable} must be a whole number of at least 1, got {text!r}.")
                given[name] = int(text)
        return cls(**given)

    def caps(self) -> dict[str, int]:
        """Give the maximum of each setting that is bounded."""
        groups = ((_DRAWS, self.samples), (_ROUNDS, self.rounds), (_TOKENS, self.tokens))
        return {name: most for names, most in groups for name in names}


def limited(kind: type[Settings], limits: Limits) -> type[Settings]:
    """Give the settings of a graph with the operator's limits; a default above a limit is lowered to it."""
    fields: dict[str, Any] = {}
    for name, field in kind.model_fields.items():
        if name in get_args(Role):
            allowed = (*limits.models, EXACT) if name in PLAYED_BY_CODE else limits.models
            fields[name] = (Literal[allowed] | None, Field(default=None, description=field.description))
        elif (most := limits.caps().get(name)) is not None:
            bounded = Annotated[field.annotation, *field.metadata, Field(le=most)]  # type: ignore[name-defined]
            default = None if field.default is None else min(field.default, most)
            fields[name] = (bounded, Field(default=default, description=field.description))
    return create_model(kind.__name__, __base__=kind, __doc__=kind.__doc__, **fields)


def served_graphs(limits: Limits) -> dict[str, CompiledStateGraph[Any, Any, Any, Any]]:
    """Create the graphs that are served, by name."""
    created: dict[str, tuple[type[GraphSettings], Any]] = {
        "actor_critic": (Context, create_actor_critic),
        "ask": (Context, create_ask),
        "chat": (Context, create_chat),
        "flawed_paths": (GenerationContext, create_flawed_paths),
        "auto_critique": (GenerationContext, create_auto_critique),
        "self_talk": (SelfTalkContext, create_self_talk),
    }
    graphs: dict[str, CompiledStateGraph[Any, Any, Any, Any]] = {}
    for name, (kind, create) in created.items():
        settings = limited(kind, limits)
        builder: StateGraph[Any, Any, Any, Any] = create(**kind.keywords(settings()))
        builder.context_schema = settings
        graphs[name] = builder.compile(name=name)
    return graphs


_graphs = served_graphs(Limits.of(os.environ))
actor_critic = _graphs["actor_critic"]
ask = _graphs["ask"]
chat = _graphs["chat"]
flawed_paths = _graphs["flawed_paths"]
auto_critique = _graphs["auto_critique"]
self_talk = _graphs["self_talk"]
