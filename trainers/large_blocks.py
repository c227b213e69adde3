"""Large blocks of memory go back to the system as they are freed, so that a training on a CPU takes what its plan says.

glibc raises the size from which it does so with each such block that is freed. Tensors that a step needs for a moment
then leave gaps between those that are kept, and a training takes up to twice its memory.
"""

import ctypes
import sys

_M_MMAP_THRESHOLD = -3
"""Of glibc's <malloc.h>."""
_BYTES = 2**20


def return_large_blocks() -> None:
    """Fix the size of blocks that go back to the system at 1 MiB; nothing changes with another C library than glibc."""
    if sys.platform == "linux" and (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)) is not None:
        mallopt(_M_MMAP_THRESHOLD, _BYTES)
