"""One run folder: its lock, journal, driver, outcomes, progress and traces.

Imports `core`, `calls`, `output` and `problems`.
"""
