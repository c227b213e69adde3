"""The verbs `solve` and `run`: the loop on one question, or over a problem set.

Imports `graphs`, `runs` and what stands below them.
"""
