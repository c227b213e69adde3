"""The embedded miniature: a task, and a pair of tiny models that solve, critique and refine it."""

from critique_graph.miniature.shipped import weights_path
from critique_graph.miniature.task import generate_problems

__all__ = ["generate_problems", "weights_path"]
