"""Packages that go with torch: those for images, sound and video that do not load are hidden, bitsandbytes is quiet.

The CPU build of vLLM requires torchvision, torchaudio and torchcodec. Where pip takes builds of them for CUDA, they do
not load beside the CPU build of torch. transformers and vLLM import them if they are installed, and would not load
either; without them they do, and text needs none of them. They import bitsandbytes, too, which warns on a CPU that it
has not fetched a kernel from the model hub.
"""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import cast

DISPENSABLE = ("torchvision", "torchaudio", "torchcodec")
CHILD = "critique_graph.engines.vllm_child"


def hide_unloadable() -> list[str]:
    """Make packages that do not load look as if they were not installed, in this process; give their names.

    bitsandbytes is told to be quiet about kernels of the model hub.
    """
    logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
    for name in DISPENSABLE:
        if find_spec(name) is not None:
            try:
                import_module(name)
            except (ImportError, OSError, RuntimeError):
                sys.modules[name] = cast(ModuleType, None)  # Python's way to say that a module cannot be imported
                _forget_what_is_installed()
    return [name for name in DISPENSABLE if sys.modules.get(name, sys) is None]


def _forget_what_is_installed() -> None:
    """Have transformers look again, if it was loaded before."""
    for function in vars(sys.modules.get("transformers.utils.import_utils", sys)).values():
        if hasattr(function, "cache_clear"):
            function.cache_clear()


@contextmanager
def hidden_from_children() -> Iterator[None]:
    """Hide the packages from processes that vLLM starts in this block, too.

    A process that is spawned first imports the main module of this one. In this block that is `vllm_child`, which hides
    them. The process that inspects the class of a model is started by a command, unless vLLM's cache knows the class.
    """
    main = sys.modules["__main__"]
    own = main.__spec__
    main.__spec__ = find_spec(CHILD)
    try:
        yield
    finally:
        main.__spec__ = own
