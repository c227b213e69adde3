"""Settings of `critique-graph improve`."""

from typing import Annotated

from pydantic import Field

from critique_graph.core.role_model import OptionalRoleSetting, RoleModel, RoleSetting
from critique_graph.core.settings import MODELS, PROBLEMS, ServerAddress
from critique_graph.improve.state import ImprovementContext
from critique_graph.problems.settings import ProblemSettings
from critique_graph.verbs.settings import ActorCriticises, ServerSettings


class ImproveSettings(ActorCriticises, ImprovementContext, ProblemSettings, ServerSettings):
    """Settings of `critique-graph improve`."""

    actor: Annotated[str, MODELS] = "miniature:actor"
    """Model to improve, which explores first: `miniature:actor`, `hf:PATH`, `vllm:PATH`."""
    critic: RoleSetting = RoleModel(model="miniature:critic")
    """Model that judges wrong responses in every iteration; `none`: vanilla self-improvement; by default the actor as
    it is before any training, or the miniature's critic beside an actor of the miniature."""
    base: Annotated[str | None, MODELS] = None
    """Model that every training begins with; empty: the actor."""
    test_critic: OptionalRoleSetting = None
    """Model that plays one round in the evaluations; empty: the critic; `none`: the actor is measured alone."""
    base_url: Annotated[ServerAddress | None, MODELS] = None
    """Server of an `openai:` critic that has no server or key of its own, e.g. http://127.0.0.1:8000/v1; with
    `--serve-command` the servers of the actor instead."""
    serve_command: Annotated[str | None, MODELS] = None
    """Command that serves the actor of each iteration at `--base-url`: `{model}` in it stands for the path of the
    weights; empty: the actor is loaded in this process. The command is ended before each training."""
    validation: Annotated[str | None, PROBLEMS] = None
    """Problem set by which the best iteration is chosen, named like PROBLEMS; empty: 200 of the miniature's own; of a
    file a tenth, which is not learned from."""
    test: Annotated[str | None, PROBLEMS] = None
    """Problem set that is only measured, named like PROBLEMS; empty: 300 of the miniature's own; of a file none."""
    validation_limit: Annotated[int | None, PROBLEMS] = Field(default=None, ge=1)
    """Maximum number of validation problems; empty: all of the set."""
    test_limit: Annotated[int | None, PROBLEMS] = Field(default=None, ge=1)
    """Maximum number of test problems; empty: all of the set."""
