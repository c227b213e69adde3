"""Rates and differences with their 95 % intervals.

Imports `core`.
"""
