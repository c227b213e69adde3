"""The verb `improve`: self-improvement with a critic in the loop, as a graph that drives runs and trainings.

Imports everything but the command line.
"""
