"""The miniature: a built-in task, and a pair of tiny models that solve, critique and refine its problems.

Imports `core`. How the models are trained is in `miniature_training`.
"""

from critique_graph.miniature.shipped import SHIPPED, weights_path
from critique_graph.miniature.task import generate_problems

__all__ = ["SHIPPED", "generate_problems", "weights_path"]
