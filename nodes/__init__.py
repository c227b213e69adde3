"""Graph nodes, one per file (solve, critique, refine, vote, filter …), and model nodes (`chat_*.py`).

Installed as `critique_graph.nodes`. Imports `calls`, `engines`, `grading` and `core`.
"""
