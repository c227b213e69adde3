"""Settings that name the models of a verb."""

from typing import Annotated

from critique_graph.calls.players import PlainModel
from critique_graph.core.schema import Role
from critique_graph.core.settings import MODELS, Settings

Roles = dict[Role, tuple[PlainModel, str | None]]
"""Model and server of each role."""


class PairSettings(Settings):
    """The models of every verb that plays the loop."""

    actor: Annotated[str, MODELS] = "miniature:actor"
    """Model that solves and refines: `miniature:actor`, `hf:PATH`, `vllm:PATH`, `openai:NAME`, `provider:name`."""
    critic: Annotated[str, MODELS] = "miniature:critic"
    """Model that judges every step: `miniature:critic`, `hf:PATH`, `vllm:PATH`, `openai:NAME`, `provider:name`."""
    base_url: Annotated[str | None, MODELS] = None
    """Server of the `openai:` models, e.g. http://127.0.0.1:8000/v1."""
    critic_base_url: Annotated[str | None, MODELS] = None
    """Server of an `openai:` critic, where it is not the actor's."""

    def roles(self) -> Roles:
        """Give the model and the server of each role."""
        return {"actor": (self.actor, self.base_url), "critic": (self.critic, self.critic_base_url or self.base_url)}
