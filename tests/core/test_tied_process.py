"""Processes that end with the one that started them."""

import io
import os
import subprocess
import sys
from pathlib import Path
from threading import Thread
from types import SimpleNamespace

import pytest
from served_models import is_released, wait_until

from critique_graph.core import tied_process
from critique_graph.core.tied_process import NOT_STARTED, TiedProcess

SPAWN = "exec 9> {lock}; flock -s 9; sleep 600 & sleep 600 & echo ready; wait"
"""A shell with two processes, which all hold a lock."""


def test_ends_with_its_processes(tmp_path: Path) -> None:
    lock, log = tmp_path / "lock", tmp_path / "log"
    process = TiedProcess(["sh", "-c", SPAWN.format(lock=lock)], log)
    wait_until(lambda: "ready" in log.read_text(), "the start")
    assert not is_released(lock)
    assert process.exit_code is None
    process.end()
    assert is_released(lock)


def test_what_a_program_leaves_behind_ends_with_it(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    process = TiedProcess(["sh", "-c", SPAWN.format(lock=lock).replace("wait", "exit 3")], tmp_path / "log")
    wait_until(lambda: process.exit_code is not None, "the end")
    assert process.exit_code == 3
    process.end()
    assert is_released(lock)


def test_ends_when_its_owner_is_killed(tmp_path: Path) -> None:
    lock, log = tmp_path / "lock", tmp_path / "log"
    owner = "import sys; from pathlib import Path; from critique_graph.core.tied_process import TiedProcess; "
    owner += "process = TiedProcess(['sh', '-c', sys.argv[1]], Path(sys.argv[2])); input()"
    command = [sys.executable, "-c", owner, SPAWN.format(lock=lock), str(log)]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as owning:
        wait_until(lambda: log.exists() and "ready" in log.read_text(), "the start")
        owning.kill()
    wait_until(lambda: is_released(lock), "the end of the processes")


def test_program_that_does_not_listen_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "deaf")
    read, write = os.pipe()
    monkeypatch.setattr(tied_process, "GRACE_SECONDS", 0.1)

    def end_its_input() -> None:
        (tmp_path / "deaf").read_text()
        os.close(write)

    with io.FileIO(read) as pipe:
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=pipe))
        thread = Thread(target=end_its_input)
        thread.start()
        code = tied_process._run(["sh", "-c", f"trap '' TERM; echo > {tmp_path / 'deaf'}; sleep 600"])
        thread.join()
    assert code == 128 + 9


def test_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    process = TiedProcess(["no-such-program"], tmp_path / "log")
    wait_until(lambda: process.exit_code is not None, "the end")
    process.end()
    assert process.exit_code == NOT_STARTED
    assert process.last_words(2) == "no-such-program: No such file or directory"


def test_last_words_are_those_of_this_process(tmp_path: Path) -> None:
    said = {"echo one; echo two; echo three": "two | three", "echo four": "four", "true": "exit code 0"}
    for words, expected in said.items():
        process = TiedProcess(["sh", "-c", words], tmp_path / "log")
        wait_until(lambda process=process: process.exit_code is not None, "the end")
        process.end()
        assert process.last_words(2) == expected
