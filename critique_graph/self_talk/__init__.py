"""The verb `self-talk`: paths in which a model checks itself.

Imports `graphs`, `runs` and what stands below them.
"""
