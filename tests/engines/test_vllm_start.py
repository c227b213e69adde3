"""The surroundings of vLLM's start, tested without vLLM."""

import subprocess
import sys

PRINTS = """
import subprocess, sys
from pathlib import Path
from critique_graph.engines.vllm_start import stderr_to

child = [sys.executable, "-c", "import sys; print('from a process', file=sys.stderr)"]
with stderr_to(Path(sys.argv[1])):
    subprocess.run(child, check=True)
    print("from us", file=sys.stderr)
subprocess.run(child, check=True)
print("at last", file=sys.stderr)
"""


def test_processes_started_in_it_print_into_the_log_and_we_where_we_did(tmp_path):
    log = tmp_path / "vllm.log"
    done = subprocess.run([sys.executable, "-c", PRINTS, log], capture_output=True, text=True, check=True)
    assert log.read_text() == "from a process\n"
    assert done.stderr == "from us\nfrom a process\nat last\n"


def test_without_a_log_everything_stays_where_it_was(tmp_path):
    program = PRINTS.replace("Path(sys.argv[1])", "None")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr == "from a process\nfrom us\nfrom a process\nat last\n"
