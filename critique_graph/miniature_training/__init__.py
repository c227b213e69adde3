"""How the miniature is trained and measured: the verbs `miniature train | evaluate`.

Imports `trainers` and what stands below it.
"""
