"""Problem sets: read, checked, and without near copies.

Imports `core` and `miniature`.
"""
