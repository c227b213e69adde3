"""Problem sets: read, checked, without near copies.

Imports `core` and `miniature`.
"""
