"""What comes out of a run: the verdict of the tests, and why."""

import subprocess
import sys
from pathlib import Path
from threading import Event

import pytest

import critique_graph
from critique_graph.core.errors import InputError
from critique_graph.sandbox.records import Execution, Limits, Program
from critique_graph.sandbox.run import run_python

ADD = "def add(a, b):\n    return a + b\n"
LIMITS = Limits(cpu_seconds=1, wall_seconds=300)

needs_sandbox = pytest.mark.usefixtures("sandbox")


def run(code: str, tests: str, *, setup: str = "") -> Execution:
    return run_python(Program(code=code, tests=tests, names=("add",), setup=setup), limits=LIMITS)


@needs_sandbox
@pytest.mark.parametrize(
    "tests",
    [
        "assert add(1, 2) == 3",
        "assert add(2**70, 1) == 2**70 + 1 and add(0.5, 0.25) == 0.75 and add(1j, 2) == 2 + 1j",
        "assert add('a', 'ü\\ud800') == 'aü\\ud800' and add(b'a', b'b') == b'ab'",
        "assert add((1,), (2,)) == (1, 2) and add([1], [(2, None)]) == [1, (2, None)]",
        "assert add(float('inf'), 1) == float('inf') and add(True, False) is not False",
        "assert add(b=[{'x': {1, 2}}], a=[frozenset({3}), bytearray(b'x')]) == [frozenset({3}), b'x', {'x': {2, 1}}]",
        "for pair in [(1, 2), (3, 4)]:\n    assert add(*pair) == sum(pair)",
        "try:\n    add(1, 'x')\n    assert 0\nexcept TypeError as error:\n    assert 'unsupported' in str(error)",
        "import random\nrandom.seed(0)\nassert all(add(x := random.random(), 1) == x + 1 for _ in range(50))",
    ],
)
def test_plain_data_goes_to_the_program_and_back(tests: str) -> None:
    assert run(ADD, tests) == Execution(status="passed")


CORRECT = {
    "list that the program changes": (
        "def add(items): items.append(items.pop(0))",
        "items = [1, 2]\nadd(items)\nassert items == [2, 1]",
    ),
    "dict that the program changes": (
        "def add(box): box['n'] = {1}",
        "box = {'m': 0}\nassert add(box) is None and box == {'m': 0, 'n': {1}}",
    ),
    "class": (
        "class add:\n    def __init__(self, n): self.n = n\n    def twice(self): return 2 * self.n",
        "node = add(n=3)\nnode.left = add(4)\nassert node.left.twice() + node.n == 11",
    ),
    "dataclass": ("from dataclasses import dataclass\n@dataclass\nclass add:\n    n: int", "assert add(2).n == 2"),
    "iterator": ("def add(items): return map(str, items)", "assert list(add([1, 2])) == ['1', '2']"),
    "type": (
        "def add(items, kind): return [x for x in items if type(x) is kind]",
        "assert add([1, 'a'], str) == ['a']",
    ),
    "helper of the problem": ("def add(n): return helper(n) + 1", "assert helper(1) == 2 and add(1) == 3"),
    "event loop": (
        "import asyncio\nasync def two(): return 2\ndef add(): return asyncio.run(two())",
        "assert add() == 2",
    ),
    "thread": (
        "import concurrent.futures as c\ndef add(n): return c.ThreadPoolExecutor().submit(abs, n).result()",
        "assert add(-1) == 1",
    ),
    "temporary file": (
        "import tempfile\ndef add():\n    with tempfile.TemporaryFile() as file: return file.write(b'x')",
        "assert add() == 1",
    ),
    "file of the tests": (
        "def add(name): return open(name).read()",
        "open('in', 'w').write('x')\nassert add('in') == 'x'",
    ),
}


@needs_sandbox
@pytest.mark.parametrize("name", CORRECT)
def test_correct_program_passes(name: str) -> None:
    code, tests = CORRECT[name]

    assert run(code, tests, setup="def helper(n): return n + 1") == Execution(status="passed")


ONE = "assert add(1, 2) == 3"


@needs_sandbox
@pytest.mark.parametrize(
    ("code", "tests", "status", "detail"),
    [
        ("def add(a, b): return a - b", ONE, "failed", f"{ONE}; add(1, 2) gave -1"),
        (
            "def add(a, b): return a[b]",
            "def check(f):\n    assert f([], 0) == 3\ncheck(add)",
            "failed",
            "assert f([], 0) == 3: IndexError: list index out of range, in line 1 of the program",
        ),
        ("", ONE, "failed", f"{ONE}: NameError: name 'add' is not defined"),
        (
            "def add(a, b):\n    return (",
            ONE,
            "failed",
            "before the tests: SyntaxError: '(' was never closed (<program>, line 2), in line 2 of the program",
        ),
        (
            "def add(a, b): return bytearray(1 << 40)",
            ONE,
            "out_of_memory",
            f"{ONE}: MemoryError, in line 1 of the program",
        ),
        (
            "def add(a, b): return iter({1, 2})",
            ONE,
            "failed",
            f"{ONE}: TypeError: the program gave set_iterator, which is no plain data, and cannot be compared",
        ),
        (ADD, "assert add(1, 2) == 4, f'no {1}'", "failed", "assert add(1, 2) == 4, f'no {1}': no 1; add(1, 2) gave 3"),
        (
            "def add(a, b): return 10**9_999",
            ONE,
            "failed",
            f"{ONE}; add(1, 2) gave a number of too many digits",
        ),
        (
            ADD,
            "assert add(lambda: 1, 2)",
            "unusable",
            "The tests cannot be run: they give the program function objects, and can only give plain data",
        ),
        (ADD, "x =", "unusable", "The tests cannot be run: SyntaxError: invalid syntax (<tests>, line 1)"),
        (
            ADD,
            "while True: pass",
            "timed_out",
            "The tests ended without a verdict: It was ended after 1 s of CPU time.",
        ),
        (
            "import os\ndef add(a, b): os.fork()",
            ONE,
            "forbidden",
            "It tried what is not allowed: a process, the network, or control of the machine.",
        ),
        (
            "import os\ndef add(a, b): os._exit(0)",
            "try: add(1, 2)\nexcept BaseException: pass",
            "failed",
            "It ended itself, with exit code 0, before the tests did.",
        ),
    ],
    ids=[
        *("wrong value", "exception", "nothing defined", "no Python", "memory", "no plain data", "message of the test"),
        *("large number", "tests that give a function", "tests that are no Python", "tests that never end", "fork"),
        "exit that the tests catch",
    ],
)
def test_other_programs_do_not_pass(code: str, tests: str, status: str, detail: str) -> None:
    assert run(code, tests) == Execution(status=status, detail=detail)


@needs_sandbox
def test_output_is_kept_up_to_a_limit() -> None:
    code = "import sys\nprint('ä' * 10, flush=True)\nprint('b' * 5_000, file=sys.stderr)\n" + ADD

    assert run(code, ONE) == Execution(status="passed", output="ä" * 10 + "\n" + "b" * 1_989)


@needs_sandbox
def test_run_that_is_stopped_says_nothing_of_the_program() -> None:
    stop = Event()
    stop.set()

    execution = run_python(Program(code=ADD, tests="while True: pass", names=("add",)), stop=stop)

    assert execution == Execution(status="unusable", detail="The run was stopped.")


UNPROTECTED = """
import ctypes, sys, types
package = sys.modules["critique_graph"] = types.ModuleType("critique_graph")  # all of it would take seconds to load
package.__path__ = ["FOLDER"]
from critique_graph.sandbox.records import Program
from critique_graph.sandbox.run import run_python
seccomp = ctypes.CDLL("libseccomp.so.2")
seccomp.seccomp_init.restype = ctypes.c_void_p
kernel = ctypes.c_void_p(seccomp.seccomp_init(0x7FFF0000))
call = seccomp.seccomp_syscall_resolve_name(b"CALL")
assert seccomp.seccomp_rule_add_array(kernel, 0x00050000 | 38, call, 0, None) == 0
assert seccomp.seccomp_load(kernel) == 0
run_python(Program(code="print('it runs')", tests="", names=()))
"""


@needs_sandbox
@pytest.mark.parametrize(
    ("call", "lacking"),
    [("landlock_create_ruleset", "Landlock (Linux 5.13 or newer, switched on when it starts)"), ("seccomp", "seccomp")],
)
def test_nothing_runs_where_the_kernel_lacks_a_protection(call: str, lacking: str) -> None:
    """The kernel is one whose filter knows no such call."""
    script = UNPROTECTED.replace("CALL", call).replace("FOLDER", str(Path(critique_graph.__file__).parent))

    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)

    assert f"InputError: programs of models cannot be run here; a protection is missing: {lacking}: " in ran.stderr


def test_other_systems_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")

    with pytest.raises(InputError, match=r"run on Linux only, .* not on darwin"):
        run_python(Program(code="", tests="", names=()))
