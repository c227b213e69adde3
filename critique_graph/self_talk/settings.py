"""Settings of `critique-graph self-talk`."""

from critique_graph.core.context import SelfTalkContext
from critique_graph.problems.settings import TrainingProblemSettings


class SelfTalkSettings(SelfTalkContext, TrainingProblemSettings):
    """Settings of `critique-graph self-talk`."""

    actor: str = "miniature:actor"
    """Model that solves and repairs: `miniature:actor`, `hf:PATH`, `vllm:PATH`, `openai:NAME`."""
    critic: str = "miniature:critic"
    """Model that judges every step: `miniature:critic`, `hf:PATH`, `vllm:PATH`, `openai:NAME`; or
    `miniature:annotator`, which is exact, for the miniature's problems alone."""
    smoother: str = "exact"
    """Model that rewrites the talk as one who thinks aloud, or `exact`: the critic's words as they stand."""
    base_url: str | None = None
    """Server of the `openai:` models, e.g. http://127.0.0.1:8000/v1."""
    critic_base_url: str | None = None
    """Server of an `openai:` critic and smoother, where it is not the actor's."""
