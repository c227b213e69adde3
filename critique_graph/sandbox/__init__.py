"""Runs Python programs that models wrote, apart from the machine and from the tests that judge them.

Imports `core`.
"""
