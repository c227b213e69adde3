"""Reads answers and decides whether two of them are equal.

Imports `core`.
"""
