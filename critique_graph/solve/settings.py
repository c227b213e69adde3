"""Settings of `critique-graph solve` and `critique-graph run`."""

from typing import Self

from pydantic import model_validator

from critique_graph.core.context import Context
from critique_graph.problems.settings import ProblemSettings
from critique_graph.verbs.settings import BudgetSettings, PairSettings


class SolveSettings(PairSettings, Context):
    """Settings of `critique-graph solve`."""

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if self.abstain_below is not None and self.critiques == 1:
            raise ValueError("abstain_below needs several critiques: a single one always shares its own verdict")
        if self.refine_best is None and self.refinements > 1:
            raise ValueError("refinements is for a pool: set refine_best, too")
        return self


class RunSettings(SolveSettings, ProblemSettings, BudgetSettings):
    """Settings of `critique-graph run`."""
