"""From a model string such as `hf:PATH` to a chat model.

Imports `nodes` and what stands below it; graphs take what it loads.
"""
