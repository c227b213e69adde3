"""Main module of vLLM's processes where packages are hidden from them; see `torch_companions`."""

from critique_graph.engines.torch_companions import hide_unloadable

if __name__ == "__mp_main__":
    hide_unloadable()
