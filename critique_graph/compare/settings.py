"""Settings of `critique-graph compare`."""

from typing import Annotated, Literal

from cyclopts import Parameter
from pydantic import Field

from critique_graph.core.context import ChainContext
from critique_graph.core.settings import SAMPLING
from critique_graph.problems.settings import ProblemSettings
from critique_graph.verbs.settings import BudgetSettings, PairSettings


class CompareSettings(PairSettings, ChainContext, ProblemSettings, BudgetSettings):
    """Settings of `critique-graph compare`. Every gate and vote is compared, on chains of the gate `always`."""

    samples: Annotated[int, SAMPLING] = Field(default=8, ge=2, le=4096)
    """Number of chains in a problem's pool, which are critiqued and refined."""
    votes: Annotated[int | None, SAMPLING] = Field(default=None, ge=1)
    """Number of samples for the votes without a critic, those of the chains included; empty: three for every chain, as
    in the paper's comparison."""
    rounds: Annotated[int, SAMPLING] = Field(default=1, ge=1, le=100)
    """Number of critiques and refinements of every chain."""
    gate: Annotated[Literal["always"], Parameter(show=False)] = "always"
    """Gate that the traces record: every other one can be read from chains of this one."""

    @property
    def all_votes(self) -> int:
        """The votes in force."""
        return max(self.samples, self.votes or 3 * self.samples)
