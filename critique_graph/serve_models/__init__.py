"""The verb `serve-models`: one server of vLLM for each device of this machine, as a pool that heals itself.

Imports everything but the command line.
"""
