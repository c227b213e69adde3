"""Records, texts and how they are read: problems, steps, critiques, settings of a graph.

Imports nothing of the package.
"""
