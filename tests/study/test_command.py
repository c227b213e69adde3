import json
from pathlib import Path

import pytest

from critique_graph.cli import run_command

SMALL = ["--samples", "2", "--rounds", "2", "--chains", "1", "-n", "3"]
PARTS_HERE = "difficulty,scaling,stability,sequential,sizes,critics"


def test_study_of_the_miniature(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    command = ["study", "miniature", *SMALL, "--only", PARTS_HERE, "--out", str(tmp_path), "--quiet"]
    code = run_command([*command, "--json"])
    printed = json.loads(capsys.readouterr().out)

    assert code == 0
    assert printed["schema"] == "critique-graph.study/1"
    assert printed == json.loads((tmp_path / "study.json").read_bytes())
    assert ",".join(part["part"] for part in printed["parts"]) == PARTS_HERE
    assert {finding["holds"] for part in printed["parts"] for finding in part["findings"]} <= {"yes", "no", "unclear"}

    assert run_command(command) == 0
    table = capsys.readouterr().out
    assert "critic raises accuracy" in table
    (sizes,) = (part for part in printed["parts"] if part["part"] == "sizes")
    assert [row["actor"] for row in sizes["tables"]["actors"]] == ["miniature:small-actor", "miniature:actor"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--only", "difficulty,levels"], "--only-1"),
        (["--samples", "1"], "--samples"),
        (["--actors", "{model: hf:x, base: y}"], "there is no such key"),
    ],
    ids=["part", "samples", "actor"],
)
def test_wrong_settings_are_refused(given: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    code = run_command(["study", "miniature", *given, "--out", str(tmp_path / "study")])

    assert code == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "study").exists()


def test_recorded_settings_are_a_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    command = ["study", "miniature", *SMALL, "--only", "sizes", "--actors", "miniature:actor", "--quiet"]
    run_command([*command, "--out", str(tmp_path / "a")])
    run_command(["--config", str(tmp_path / "a" / "run.yaml"), "study", "--out", str(tmp_path / "b"), "--quiet"])

    first, second = ((tmp_path / name / "run.yaml").read_text() for name in "ab")
    assert first == second
