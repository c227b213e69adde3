"""The verb `eval-critic`: does the critic find the first wrong step?

Imports `graphs`, `runs` and what stands below them.
"""
