"""Settings of `critique-graph solve` and `critique-graph run`."""

from typing import Annotated, Self

from pydantic import field_validator, model_validator

from critique_graph.core.context import Context
from critique_graph.core.settings import OUTPUT, PROBLEMS, ServerAddress
from critique_graph.problems.problem_set import ProblemSet
from critique_graph.problems.settings import ProblemSettings
from critique_graph.problems.shard import Shard
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

    shard: Annotated[str | None, PROBLEMS] = None
    """Part of the problems that this process works on, as I/N: `2/8` is every eighth problem, from the second on. Each
    process has a run folder and budgets of its own; `critique-graph merge` makes one run of all of them."""

    journal: Annotated[ServerAddress | None, OUTPUT] = None
    """Address of a PostgreSQL database in which several processes work on one run, each with a run folder of its own:
    `postgresql://USER@HOST/DATABASE`, or `postgresql://USER@HOST/DATABASE/RUN` where a database holds several runs."""

    @field_validator("shard")
    @classmethod
    def _check_shard(cls, shard: str | None) -> str | None:
        if shard is not None:
            Shard.read(shard)
        return shard

    @model_validator(mode="after")
    def _check_journal(self) -> Self:
        if self.journal is None:
            return self
        if not self.journal.startswith(("postgresql://", "postgres://")):
            raise ValueError("journal must be the address of a database: postgresql://HOST/DATABASE")
        if self.shard is not None:
            raise ValueError("journal shares out the problems itself: leave shard out")
        if not self.limits.is_none:
            raise ValueError("budgets of a run (run_tokens, run_calls, run_seconds) cannot go with a shared journal")
        return self

    def part_of(self, problems: ProblemSet) -> ProblemSet:
        """Give the problems of this process."""
        return problems if self.shard is None else Shard.read(self.shard).part_of(problems)
