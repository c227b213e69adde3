"""What every verb shares: settings that name models, what a verb works with, and how it prints its result.

Imports `models`, `runs`, `problems` and what stands below them. A new verb is a folder with settings, a graph, a
summary and a table; the rest is here.
"""
