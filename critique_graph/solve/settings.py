"""Settings of `critique-graph run`."""

from critique_graph.calls.settings import LoopSettings
from critique_graph.problems.settings import ProblemSettings


class RunSettings(LoopSettings, ProblemSettings):
    """Settings of `critique-graph run`."""
