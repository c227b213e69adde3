"""Hostile programs: none passes, none leaves anything, and what is outside stays as it was."""

import os
import stat
from pathlib import Path

import pytest
from hostile_programs import HOSTILE

from critique_graph.sandbox.records import Limits, Program
from critique_graph.sandbox.run import run_python

pytestmark = pytest.mark.usefixtures("sandbox")

LIMITS = Limits(cpu_seconds=1, wall_seconds=300, memory_bytes=1 << 27, disk_bytes=1 << 20)
TESTS = """
SECRET_TEST = 918273645
assert all(map(lambda number: answer(number) == SECRET_TEST + number, [1, 2]))
"""


def children() -> set[int]:
    files = Path("/proc/self/task").glob("*/children")
    return {int(child) for file in files for child in file.read_text().split()}


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of the user, beside the folder of the program."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("OPENAI_API_KEY", "canary-in-a-mine")
    file = tmp_path / "canary"
    file.write_text("canary-in-a-mine")
    file.chmod(0o600)
    return file


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_program_is_contained(name: str, outside: Path) -> None:
    code, status = HOSTILE[name]
    before = children()

    execution = run_python(
        Program(code=code.replace("OUTSIDE", str(outside)), tests=TESTS, names=("answer",)), limits=LIMITS
    )

    assert execution.status in status.split(" or "), execution
    assert "canary" not in execution.output
    assert "918273645" not in execution.output
    assert len(execution.output) <= 2_000
    assert len(execution.detail) <= 500
    assert children() == before
    assert list(outside.parent.iterdir()) == [outside]
    assert outside.read_text() == "canary-in-a-mine"
    assert stat.S_IMODE(outside.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "code",
    ["import time\ntime.sleep(1_000)", "import os, time\nos.closerange(0, 64)\ntime.sleep(1_000)"],
    ids=["sleeps", "closes its descriptors and sleeps"],
)
def test_program_that_waits_is_ended(code: str) -> None:
    limits = LIMITS.model_copy(update={"wall_seconds": 1.0})

    execution = run_python(Program(code=code, tests=TESTS, names=("answer",)), limits=limits)

    assert execution.status in ("timed_out", "failed")
    assert not execution.has_passed


def test_programs_see_the_same_in_every_run() -> None:
    code = "import os\nprint([*{'a', 'b', 'c', 'd'}], sorted(os.environ), os.listdir())"
    program = Program(code=code, tests="assert one", names=("one",))

    assert run_python(program).output == run_python(program).output != ""
    assert os.environ
