"""Settings of `critique-graph check`."""

from typing import Annotated

from pydantic import Field

from critique_graph.core.schema import Gate
from critique_graph.core.settings import PROBLEMS, SAMPLING
from critique_graph.problems.settings import ProblemSettings
from critique_graph.solve.settings import SolveSettings
from critique_graph.verbs.settings import BudgetSettings


class CheckSettings(SolveSettings, ProblemSettings, BudgetSettings):
    """Settings of `critique-graph check`: those of `run`, with few problems, all of which are refined."""

    limit: Annotated[int | None, PROBLEMS] = Field(default=10, ge=1)
    """Number of problems to play; ten tell within minutes what is wrong, and little about accuracy."""
    gate: Annotated[Gate, SAMPLING] = "always"
    """Which responses are refined: `always`, so that there are refinements to judge, or a gate of `run`."""
