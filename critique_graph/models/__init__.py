"""Load chat models from model strings such as `hf:PATH`.

Imports `nodes` and the folders below it; graphs use the models that are loaded here.
"""
