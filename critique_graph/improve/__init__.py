"""The verb `improve`: self-improvement with a critic in the loop; its graph drives runs and trainings.

Imports everything but the command line.
"""
