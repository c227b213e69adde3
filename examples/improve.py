"""Improve an actor with its own correct responses and refinements; here with few problems and one iteration.

python examples/improve.py
"""

import tempfile

from critique_graph import ImprovementProblems, create_self_improve, load_problems

problems = ImprovementProblems(
    training=list(load_problems("miniature", limit=6, split="train")),
    validation=list(load_problems("miniature", limit=4, split="validation")),
    test=[],
)
graph = create_self_improve(
    "miniature:actor",
    "miniature:critic",  # None: learn from correct first responses only
    problems=problems,
    iterations=1,
    samples=2,
    refinements=2,
    feedback=True,  # learn to refine, too
    learning_rate=1e-5,
).compile()

with tempfile.TemporaryDirectory() as folder:
    for update in graph.stream({"out": folder}, stream_mode="updates"):
        print(*update)
    iteration = update["evaluate"]["iterations"][0]

print(f"kept {iteration['kept_direct']} direct and {iteration['kept_refined']} refined responses")
print(
    f"validation accuracy {iteration['validation']['value']:.0%}, best: iteration {update['evaluate']['best']['index']}"
)
