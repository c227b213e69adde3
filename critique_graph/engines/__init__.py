"""What runs a model in this process, behind the model nodes in `nodes/`: transformers and vLLM.

Imports `core`. torch, transformers and vllm load here alone, and only when a model is called.
"""
