"""Engines that run a model in this process, behind the model nodes in `nodes/`: transformers and vLLM.

Imports `core`. torch, transformers and vllm are loaded only when a model is called.
"""
