"""Settings of `critique-graph eval-critic`."""

from typing import Annotated

from cyclopts import Parameter
from pydantic import Field

from critique_graph.core.context import JudgeContext
from critique_graph.core.role_model import RoleModel, RoleSetting
from critique_graph.core.settings import PROBLEMS, SAMPLING
from critique_graph.verbs.settings import BudgetSettings, PairSettings


class EvalCriticSettings(PairSettings, JudgeContext, BudgetSettings):
    """Settings of `critique-graph eval-critic`: the critic's judgement of labelled responses."""

    sources: Annotated[tuple[str, ...], Parameter(show=False)] = ("miniature",)
    """Files of labelled responses, or `hf:owner/name[:config[:split]]`, or `miniature`."""
    actor: RoleSetting = RoleModel(model="miniature:actor")  # type: ignore[assignment]  # wider than a context's
    """Model that writes the responses of `miniature`: `miniature:actor` or `hf:PATH`."""
    temperature: Annotated[float, SAMPLING] = Field(default=0.7, ge=0, le=5)
    """Sampling temperature of the actor, for `miniature` alone."""
    limit: Annotated[int | None, Parameter(alias="-n"), PROBLEMS] = Field(default=None, ge=1)
    """Maximum number of responses from every file; empty: all of a file, 100 of the miniature."""
    concurrency: Annotated[int, PROBLEMS] = Field(default=64, ge=1)
    """Number of responses in flight at once."""
