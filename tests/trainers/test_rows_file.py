"""Rows of a file, trained on as they are."""

import json
from pathlib import Path

import pytest

from critique_graph.cli import run_command
from critique_graph.core.errors import InputError
from critique_graph.trainers.rows_file import is_rows_file, read_rows_file

ROW = {"prompt": [{"role": "user", "content": "2 + 3?"}], "completion": [{"role": "assistant", "content": "5"}]}


def written(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_file_of_rows_is_told_from_data_and_traces(data: Path, tmp_path: Path) -> None:
    assert is_rows_file(written(tmp_path / "rows.jsonl", ROW))
    assert not is_rows_file(data / "dataset" / "train.jsonl")
    assert not is_rows_file(data)
    assert not is_rows_file(tmp_path / "none.jsonl")


def test_line_that_is_no_row_of_the_task_is_named(tmp_path: Path) -> None:
    file = written(tmp_path / "rows.jsonl", ROW, {"prompt": []})
    with pytest.raises(InputError, match="line 2 is no row of task actor: it needs completion, prompt"):
        list(read_rows_file(file, "actor"))


def test_line_that_is_not_json_is_named(tmp_path: Path) -> None:
    file = written(tmp_path / "rows.jsonl", ROW)
    file.write_text(file.read_text() + "{")
    with pytest.raises(InputError, match="line 2 is not JSON"):
        list(read_rows_file(file, "actor"))


def test_exported_file_is_trained_on_with_its_copies(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("trl")
    file = tmp_path / "rows.jsonl"
    assert run_command(["export", str(data), "--to", "trl", "--task", "actor", "--out", str(file)]) == 0
    lines = file.read_text().splitlines()
    file.write_text("\n".join(lines[:3] * 2) + "\n")
    capsys.readouterr()
    command = ["train", "actor", str(file), "--model", "miniature:actor", "--out", str(tmp_path / "model"), "--json"]
    assert run_command([*command, "--max-steps", "1", "--per-problem", "1", "--quiet"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == 6
