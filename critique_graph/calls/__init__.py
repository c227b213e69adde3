"""Model calls, from messages to a reply: retries, limits, faults, and the model and settings of each role.

Imports `core` and `grading`.
"""
