"""Settings of `critique-graph generate`."""

from pydantic import Field, field_validator

from critique_graph.core.context import GenerationContext
from critique_graph.generate.quota import read_ratio
from critique_graph.problems.settings import TrainingProblemSettings


class GenerateSettings(GenerationContext, TrainingProblemSettings):
    """Settings of `critique-graph generate`."""

    actor: str = "miniature:actor"
    """Model that samples, continues and refines: `miniature:actor`, `hf:PATH`, `vllm:PATH`, `openai:NAME`."""
    annotator: str = "miniature:annotator"
    """Model that writes the critiques, with the reference answer as a hint: `openai:NAME`, `vllm:PATH`, or
    `miniature:annotator`, which is exact, for the miniature's problems alone."""
    corruptor: str = "exact"
    """What inserts the errors of rg3: `exact`, which changes equations, or a model."""
    base_url: str | None = None
    """Server of the `openai:` models, e.g. http://127.0.0.1:8000/v1."""
    annotator_base_url: str | None = None
    """Server of an `openai:` annotator and corruptor, where it is not the actor's."""
    target: int | None = Field(default=None, ge=1)
    """Critiques to keep: no new problem is begun once there are so many; empty: all there are."""
    ratio: tuple[str, ...] = ()
    """Shares of strategies in the data set, e.g. `correct=0.3`; the other strategies share the rest as they come."""

    @field_validator("ratio")
    @classmethod
    def _check_ratio(cls, ratio: tuple[str, ...]) -> tuple[str, ...]:
        read_ratio(ratio)
        return ratio
