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


@pytest.mark.parametrize("name", ["file", ".file.tmp"], ids=["file", "temporary file"])
@pytest.mark.parametrize("target", ["victim", "absent", "folder"])
def test_links_are_not_followed(name: str, target: str, tmp_path: Path) -> None:
    elsewhere, folder = tmp_path / "elsewhere", tmp_path / "run"
    for made in (elsewhere, folder, elsewhere / "folder"):
        made.mkdir()
    (elsewhere / "victim").write_bytes(b"precious")
    (folder / name).symlink_to(elsewhere / target)
    write_atomically(folder / "file", [b"text"])
    assert (folder / "file").read_bytes() == b"text"
    assert not (folder / "file").is_symlink()
    assert [path.name for path in folder.iterdir()] == ["file"]
    assert sorted(path.name for path in elsewhere.rglob("*")) == ["folder", "victim"]
    assert (elsewhere / "victim").read_bytes() == b"precious"


def test_link_to_another_name_of_the_file_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "victim").write_bytes(b"precious")
    (tmp_path / ".file.tmp").hardlink_to(tmp_path / "victim")
    write_atomically(tmp_path / "file", [b"text"])
    assert (tmp_path / "victim").read_bytes() == b"precious"


def test_left_over_temporary_file_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / ".file.tmp").write_bytes(b"half")
    write_atomically(tmp_path / "file", [b"text"])
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_file_has_the_usual_permissions(tmp_path: Path) -> None:
    (tmp_path / "usual").touch()
    write_atomically(tmp_path / "file", [b"text"])
    assert (tmp_path / "file").stat().st_mode == (tmp_path / "usual").stat().st_mode


@pytest.mark.parametrize("name", ["a\0b", "folder", "x" * 300, "absent/../../absent/file"])
def test_name_that_cannot_be_a_file_is_one_clear_line(name: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(RunError, match=r"^cannot write ") as caught:
        write_atomically(tmp_path / name, [b"text"])
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
