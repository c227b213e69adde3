"""Read answers from responses and decide whether two answers are equal.

Imports `core`.
"""
