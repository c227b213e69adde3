"""Settings of `critique-graph solve` and `critique-graph run`."""

from critique_graph.core.context import Context
from critique_graph.problems.settings import ProblemSettings
from critique_graph.verbs.settings import PairSettings


class SolveSettings(PairSettings, Context):
    """Settings of `critique-graph solve`."""


class RunSettings(SolveSettings, ProblemSettings):
    """Settings of `critique-graph run`."""
