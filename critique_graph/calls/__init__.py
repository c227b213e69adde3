"""From messages to a reply: retries, limits, faults, and who plays which role with which settings.

Imports `core` and `grading`.
"""
