"""The verb `eval-critic`: does the critic find the first wrong step?

Imports `graphs`, `runs` and the folders below them.
"""
