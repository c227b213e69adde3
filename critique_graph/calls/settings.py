"""One settings model a verb: the single source of its flags, its YAML and what its manifest records."""

from critique_graph.core.context import Context


class LoopSettings(Context):
    """What every verb that plays the loop can set."""

    actor: str = "miniature:actor"
    """Model that solves and refines: `miniature:actor`, `hf:PATH`, `openai:NAME`, `provider:name`."""
    critic: str = "miniature:critic"
    """Model that judges every step: `miniature:critic`, `hf:PATH`, `openai:NAME`, `provider:name`."""
    base_url: str | None = None
    """Server of the `openai:` models, e.g. http://127.0.0.1:8000/v1."""
    critic_base_url: str | None = None
    """Server of an `openai:` critic, where it is not the actor's."""
