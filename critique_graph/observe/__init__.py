"""Verdicts and flips for tools that watch applications: OpenTelemetry and LangSmith.

Imports `nodes`, `calls` and what stands below them. Users add a listener to the callbacks; otherwise nothing is sent.
"""
