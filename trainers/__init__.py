"""From traces and data sets to rows, and from rows to models: the verbs `train` and `export`.

Installed as `critique_graph.trainers`. Imports the verbs that make data and what stands below them.
"""
