"""The compiled graphs that `langgraph.json` serves, with the miniature as default models.

No checkpointer is compiled in: the server brings its own. A caller may change the settings of a graph within the
operator's caps, which are read from the environment when the server starts. Self-improvement is not served: it writes
to any folder and trains.
"""

import os
from collections.abc import Mapping
from typing import Annotated, Any, Self

from langgraph.graph.state import CompiledStateGraph, StateGraph
from pydantic import BaseModel, BeforeValidator, Field, create_model, model_validator

from critique_graph.core.context import GraphSettings
from critique_graph.graphs.actor_critic import create_actor_critic
from critique_graph.graphs.auto_critique import create_auto_critique
from critique_graph.graphs.flawed_paths import create_flawed_paths
from critique_graph.graphs.self_talk import create_self_talk

PREFIX = "CRITIQUE_GRAPH_SERVED_"
"""The environment variables of the caps: `CRITIQUE_GRAPH_SERVED_SAMPLES=8`."""
_MODELS = ("miniature:actor", "miniature:critic", "miniature:annotator", "exact")


def _split(names: object) -> object:
    return tuple(name.strip() for name in names.split(",")) if isinstance(names, str) else names


class Caps(BaseModel):
    """What a remote caller may ask for at most."""

    models: Annotated[tuple[str, ...], BeforeValidator(_split)] = _MODELS
    """Model strings that a caller may name, joined by commas."""
    samples: int = Field(default=16, ge=1)
    """Chains, paths, refinements and critiques of one problem."""
    rounds: int = Field(default=8, ge=0)
    """Rounds of a chain and repairs of a path."""
    tokens: int = Field(default=4096, ge=1)
    """Tokens of one reply."""

    @classmethod
    def of_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read the caps from variables such as `CRITIQUE_GRAPH_SERVED_SAMPLES`.

        Raises:
            pydantic.ValidationError: A variable has a value that is no cap.
        """
        named = {name: environment.get(PREFIX + name.upper()) for name in cls.model_fields}
        return cls.model_validate({name: value for name, value in named.items() if value})

    def check(self, settings: GraphSettings) -> None:
        """Refuse settings over a cap.

        Raises:
            ValueError: A setting is over its cap, or names a model that callers may not use.
        """
        for name, value in settings.model_dump(exclude_unset=True).items():
            if name in _ROLES:
                if value not in (None, *self.models):
                    raise ValueError(f"{name} may be {', '.join(self.models)} on this server, got {value!r}")
            elif (cap := self._cap(name)) is not None and value is not None and value > cap:
                raise ValueError(f"{name} may be at most {cap} on this server, got {value}")

    def _cap(self, name: str) -> int | None:
        if name in ("samples", "attempts", "refinements", "critiques"):
            return self.samples
        if name in ("rounds", "repairs"):
            return self.rounds
        return self.tokens if name.endswith("max_tokens") else None


_ROLES = frozenset({"actor", "critic", "annotator", "corruptor", "smoother"})


def served(builder: StateGraph[Any, Any, Any, Any], name: str, caps: Caps) -> CompiledStateGraph[Any, Any, Any, Any]:
    """Compile a graph whose callers stay within the caps; a setting over one is refused before the graph begins."""

    def within_caps(settings: GraphSettings) -> GraphSettings:
        caps.check(settings)
        return settings

    settings = builder.context_schema
    assert settings is not None
    builder.context_schema = create_model(
        settings.__name__,
        __base__=settings,
        __doc__=settings.__doc__,
        __validators__={"within_caps": model_validator(mode="after")(within_caps)},
    )
    return builder.compile(name=name)


_caps = Caps.of_environment(os.environ)
actor_critic = served(create_actor_critic(), "actor_critic", _caps)
flawed_paths = served(create_flawed_paths(), "flawed_paths", _caps)
auto_critique = served(create_auto_critique(), "auto_critique", _caps)
self_talk = served(create_self_talk(), "self_talk", _caps)
