"""Settings of `critique-graph solve` and `critique-graph run`."""

from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator

from critique_graph.core.context import Context
from critique_graph.core.settings import OUTPUT, PROBLEMS, RAY, ServerAddress, Settings
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


class RaySettings(Settings):
    """Where the shards of `critique-graph run --ray` are worked on; no result depends on it."""

    ray: Annotated[str | None, RAY] = None
    """Ray cluster that works on the problems in shards: `local` starts one on this machine, `auto` finds the one that
    runs here, HOST:PORT is the address of another. The run folder must lie on a disk that all nodes share. Needs the
    extra `ray`."""
    ray_tasks: Annotated[int | None, RAY] = Field(default=None, ge=1)
    """Number of shards, each of which is a task of Ray; empty: as many as the cluster can work on at the same time, or
    that the run has already."""
    ray_gpus: Annotated[float | None, RAY] = Field(default=None, ge=0)
    """Number of GPUs that each task takes, beside one CPU; empty: 1 if a model runs in the process of the task and the
    cluster has GPUs, 0 otherwise."""

    @model_validator(mode="after")
    def _check_ray(self) -> Self:
        if self.ray is None and (self.ray_tasks or self.ray_gpus):
            raise ValueError("ray_tasks and ray_gpus are for a cluster: set ray, too")
        return self
