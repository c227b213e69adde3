"""The verb `compare`: is the critic worth its compute?

Imports `graphs`, `runs` and the folders below them.
"""
