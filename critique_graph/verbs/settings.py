"""Settings that name the models of a verb."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, model_validator

from critique_graph.calls.breaker import Patience
from critique_graph.calls.players import PlainModel
from critique_graph.core.prompts import DEFAULT_PROMPTS
from critique_graph.core.prompts_file import PromptsSetting
from critique_graph.core.schema import Role
from critique_graph.core.settings import MODELS, ServerAddress, Settings

Roles = dict[Role, tuple[PlainModel, str | None]]
"""Model and server of each role."""


class ServerSettings(Settings):
    """What every verb that asks models has: the wording of the prompts, and how long calls wait for a server."""

    prompts: PromptsSetting = DEFAULT_PROMPTS
    """Wording of the prompts: a YAML file, or one that ships: `default`, `math-en`, `math-zh`; `critique-graph prompts`
    prints one to start from."""

    call_timeout: Annotated[float, MODELS] = Field(default=600.0, gt=0)
    """Longest time in seconds that one request to a server may take; the call is then tried again."""
    outage: Annotated[float, MODELS] = Field(default=600.0, ge=0)
    """Longest time in seconds that a run waits for a server that is out, before it stops; 0: it does not wait."""

    @property
    def patience(self) -> Patience:
        """How long calls wait for a server."""
        return Patience(self.call_timeout, self.outage)


class PairSettings(ServerSettings):
    """The models of every verb that plays the loop."""

    actor: Annotated[str, MODELS] = "miniature:actor"
    """Model that solves and refines: `miniature:actor`, `hf:PATH`, `vllm:PATH`, `openai:NAME`, `provider:name`."""
    critic: Annotated[str, MODELS] = "miniature:critic"
    """Model that judges every step: `miniature:critic`, `hf:PATH`, `vllm:PATH`, `openai:NAME`, `provider:name`; by
    default the actor itself, or the miniature's critic beside an actor of the miniature."""
    base_url: Annotated[ServerAddress | None, MODELS] = None
    """Server of the `openai:` models, e.g. http://127.0.0.1:8000/v1."""
    critic_base_url: Annotated[ServerAddress | None, MODELS] = None
    """Server of an `openai:` critic, where it is not the actor's."""

    @model_validator(mode="before")
    @classmethod
    def _let_actor_criticise_itself(cls, given: Any) -> Any:
        if not isinstance(given, Mapping) or given.get("critic") or str(given.get("actor")).startswith("miniature:"):
            return given
        return {**given, "critic": given["actor"]} if given.get("actor") else given

    def roles(self) -> Roles:
        """Give the model and the server of each role."""
        return {"actor": (self.actor, self.base_url), "critic": (self.critic, self.critic_base_url or self.base_url)}
