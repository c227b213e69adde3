"""How the miniature is trained and measured: the verbs `miniature train | eval`.

Imports `trainers` and the folders below it.
"""
