import platform
import subprocess
import sys

import pytest

SCRIPT = """
import resource
from pathlib import Path
from critique_graph.trainers.large_blocks import return_large_blocks

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

if {fixed}:
    return_large_blocks()
momentary, lasting = 3 * 2**20, 13 * 2**17  # two lasting blocks do not fit where a momentary one was
for _ in range(4):  # glibc takes such blocks to be usual
    del [b"x" * momentary][:]
kept = []
before = resident()
for _ in range(40):
    moment = b"x" * momentary
    kept.append(b"x" * lasting)
    del moment
    kept.append(b"x" * lasting)
print((resident() - before) / sum(map(len, kept)))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_what_was_needed_for_a_moment_leaves_no_gaps():
    def growth(*, fixed: bool) -> float:
        script = SCRIPT.format(fixed=fixed)
        return float(subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout)

    assert growth(fixed=True) < 1.1 < growth(fixed=False)
