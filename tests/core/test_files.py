from collections.abc import Iterator
from pathlib import Path

import pytest

from critique_graph.core.errors import RunError
from critique_graph.core.files import write_atomically


def test_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"old")
    write_atomically(tmp_path / "file", [b"new ", b"text"])
    assert (tmp_path / "file").read_bytes() == b"new text"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_failure_halfway_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"half"
        raise RunError("the journal is damaged.")

    (tmp_path / "file").write_bytes(b"old")
    with pytest.raises(RunError, match="the journal is damaged"):
        write_atomically(tmp_path / "file", chunks())
    assert (tmp_path / "file").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_file_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"cannot write .*absent/file: No such file or directory"):
        write_atomically(tmp_path / "absent" / "file", [b"text"])
