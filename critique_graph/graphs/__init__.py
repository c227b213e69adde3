"""The graphs that work on one problem, and hashes of their prompts' wording.

Imports `nodes`, `calls`, `models` and what stands below them.
"""
