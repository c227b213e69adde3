"""Settings of `critique-graph self-talk`."""

from typing import Annotated

from critique_graph.core.context import SelfTalkContext
from critique_graph.core.role_model import RoleModel, RoleSetting
from critique_graph.core.settings import MODELS, ServerAddress
from critique_graph.problems.settings import TrainingProblemSettings
from critique_graph.verbs.settings import BudgetSettings, PairSettings, Roles


class SelfTalkSettings(PairSettings, SelfTalkContext, TrainingProblemSettings, BudgetSettings):
    """Settings of `critique-graph self-talk`."""

    smoother: RoleSetting = RoleModel(model="exact")  # type: ignore[assignment]  # wider than a context's
    """Model that rewrites the talk as one who thinks aloud, or `exact`: the critic's words as they stand."""
    critic_base_url: Annotated[ServerAddress | None, MODELS] = None
    """Server of an `openai:` critic and smoother, where it is not the actor's."""

    def roles(self) -> Roles:
        """Give the model of each role, with its server."""
        return {**super().roles(), "smoother": self.smoother.on(self.critic_base_url or self.base_url)}
