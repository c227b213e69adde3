"""The package's records and settings, and the code that reads and writes their texts.

Imports no other folder of the package.
"""
