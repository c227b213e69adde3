"""The verbs `train` and `export`: training rows from data sets and traces, and models from rows.

This folder is installed as `critique_graph.trainers`. It imports the verbs that make data and the folders below them.
"""
