"""Settings of `critique-graph generate`."""

from typing import Annotated

from pydantic import Field, field_validator

from critique_graph.core.context import GenerationContext
from critique_graph.core.role_model import RoleModel, RoleSetting
from critique_graph.core.settings import DATA, MODELS, ServerAddress
from critique_graph.generate.quota import read_ratio
from critique_graph.problems.settings import TrainingProblemSettings
from critique_graph.verbs.settings import BudgetSettings, Roles, ServerSettings


class GenerateSettings(GenerationContext, TrainingProblemSettings, ServerSettings, BudgetSettings):
    """Settings of `critique-graph generate`."""

    actor: RoleSetting = RoleModel(model="miniature:actor")  # type: ignore[assignment]  # wider than a context's
    """Model that samples, continues and refines: `miniature:actor`, `hf:PATH`, `vllm:PATH`, `openai:NAME`."""
    annotator: RoleSetting = RoleModel(model="miniature:annotator")  # type: ignore[assignment]
    """Model that writes the critiques, with the reference answer as a hint: `openai:NAME`, `vllm:PATH`, or
    `miniature:annotator`, which is exact, for the miniature's problems alone."""
    corruptor: RoleSetting = RoleModel(model="exact")  # type: ignore[assignment]
    """What inserts the errors of rg3: `exact`, which changes equations, or a model."""
    base_url: Annotated[ServerAddress | None, MODELS] = None
    """Server of the `openai:` models that have no server or key of their own, e.g. http://127.0.0.1:8000/v1."""
    annotator_base_url: Annotated[ServerAddress | None, MODELS] = None
    """Server of an `openai:` annotator and corruptor, where it is not the actor's."""
    target: Annotated[int | None, DATA] = Field(default=None, ge=1)
    """Number of critiques to keep: no new problem is begun once there are so many; empty: all there are."""
    ratio: Annotated[tuple[str, ...], DATA] = ()
    """Shares of strategies in the data set, e.g. `correct=0.3`; the other strategies share the rest as they come."""

    @property
    def with_solutions(self) -> bool:
        """Whether worked solutions are read with the problems."""
        return self.from_solutions

    def roles(self) -> Roles:
        """Give the model of each role, with its server."""
        other_url = self.annotator_base_url or self.base_url
        return {
            "actor": self.actor.on(self.base_url),
            "annotator": self.annotator.on(other_url),
            "corruptor": self.corruptor.on(other_url),
        }

    @field_validator("ratio")
    @classmethod
    def _check_ratio(cls, ratio: tuple[str, ...]) -> tuple[str, ...]:
        read_ratio(ratio)
        return ratio
