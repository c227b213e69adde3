"""`critique-graph check`: is this pair of models fit for the method? It plays a few problems and says what goes wrong.

Imports `solve` and the folders below it.
"""
