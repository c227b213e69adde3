"""Main module of vLLM's processes where packages are hidden from them; see `torch_companions`."""

import runpy

from critique_graph.engines.torch_companions import hide_unloadable

INSPECTION = "vllm.model_executor.models.registry"
"""The module that vLLM runs in a process of its own, to inspect the class of a model."""

if __name__ in ("__main__", "__mp_main__"):
    hide_unloadable()
if __name__ == "__main__":
    runpy.run_module(INSPECTION, run_name="__main__", alter_sys=True)
