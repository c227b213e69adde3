"""Settings of `critique-graph compare`."""

from typing import Annotated, Literal

from cyclopts import Parameter
from pydantic import Field

from critique_graph.calls.settings import LoopSettings
from critique_graph.problems.settings import ProblemSettings


class CompareSettings(LoopSettings, ProblemSettings):
    """Settings of `critique-graph compare`. Every gate and vote is compared, on chains of the gate `always`."""

    samples: int = Field(default=8, ge=2, le=4096)
    """Chains of a problem's pool."""
    votes: int | None = Field(default=None, ge=1)
    """Samples for the votes without a critic, those of the chains included; empty: three for every chain, as in the
    paper's comparison."""
    rounds: int = Field(default=1, ge=1, le=100)
    """Critiques and refinements of every chain."""
    gate: Annotated[Literal["always"], Parameter(show=False)] = "always"
    vote: Annotated[Literal["majority"], Parameter(show=False)] = "majority"
    token_budget: Annotated[None, Parameter(show=False)] = None

    @property
    def all_votes(self) -> int:
        """The votes in force."""
        return max(self.samples, self.votes or 3 * self.samples)
