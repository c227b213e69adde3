import subprocess
import sys

import pytest

resource = pytest.importorskip("resource")

SCRIPT = """
import resource
from critique_graph.core.open_files import allow_open_files

resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
allow_open_files()
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize(("soft", "hard", "allowed"), [(256, 900, 900), (900, 900, 900)])
def test_a_process_has_as_many_open_files_as_the_system_allows(soft, hard, allowed):
    script = SCRIPT.format(soft=soft, hard=hard)

    printed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout

    assert printed.split() == [str(allowed), str(hard)]
