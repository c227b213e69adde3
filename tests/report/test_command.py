import json
from pathlib import Path

import pytest
from reported_runs import MIXED, read_page, write_run

from critique_graph.cli import run_command

for package in ("jinja2", "latex2mathml", "matplotlib"):
    pytest.importorskip(package)


def test_report_of_one_run_goes_into_its_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    folder = write_run(tmp_path / "run", MIXED)
    assert run_command(["report", str(folder), "--json"]) == 0
    file = folder / "report.html"
    assert json.loads(capsys.readouterr().out) == {
        "runs": 1,
        "problems": 8,
        "bytes": file.stat().st_size,
        "out": str(file),
    }
    assert len(read_page(file).index["problems"]) == 8


def test_report_of_several_runs_goes_where_it_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    folders = [str(write_run(tmp_path / name, MIXED)) for name in ("a", "b")]
    assert run_command(["report", *folders, "--out", str(tmp_path / "both.html")]) == 0
    assert "8 problems" in capsys.readouterr().err
    assert [run["name"] for run in read_page(tmp_path / "both.html").index["runs"]] == ["a", "b"]


def test_runs_of_the_same_name_are_told_apart_by_the_folders_above(tmp_path: Path):
    folders = [str(write_run(tmp_path / name / ("long" * 20) / "run", MIXED)) for name in ("a", "b")]
    assert run_command(["report", *folders, "--out", str(tmp_path / "both.html")]) == 0
    names = [run["name"] for run in read_page(tmp_path / "both.html").index["runs"]]
    assert names == [f"a/{'long' * 20}/run", f"b/{'long' * 20}/run"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name the folder of a run"),
        (["a", "b"], "several runs need a name for the file"),
        (["a", "./a", "--out", "r.html"], "a run is named twice"),
        (["nowhere"], "nowhere: there is no such folder"),
        (["a", "--out", "traces.jsonl"], "the ending must be .html"),
        (["empty", "--out", "r.html"], "there is no manifest.json"),
        (["begun", "--out", "r.html"], "no problem of this run has been begun"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
):
    monkeypatch.chdir(tmp_path)
    write_run(tmp_path / "a", MIXED)
    write_run(tmp_path / "begun", [])
    (tmp_path / "empty").mkdir()
    assert run_command(["report", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
