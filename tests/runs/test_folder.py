import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from critique_graph.core.errors import RunError
from critique_graph.core.schema import Problem
from critique_graph.runs.folder import open_run
from critique_graph.runs.outcomes import Outcome

CONFIGURATION = {"problems": "miniature", "limit": 10, "samples": 1, "concurrency": 64, "base_url": None}


async def begin(folder: Path, configuration: Mapping[str, Any] = CONFIGURATION) -> None:
    """A run with one finished problem."""
    problem = Problem(id="p", question="?")
    with open_run(folder, configuration, prompts="a1") as run, run.journal.problem(problem, 0):
        await run.journal.settle(problem, Outcome("done"), b"{}")


def reopen(folder: Path, *, prompts: str = "a1", fresh: bool = False, **changes: Any) -> int:
    """How many problems the run has finished."""
    with open_run(folder, {**CONFIGURATION, **changes}, prompts=prompts, fresh=fresh) as run:
        return run.journal.counts()["done"]


async def test_new_run_writes_its_configuration_and_a_manifest(tmp_path: Path) -> None:
    await begin(tmp_path / "runs" / "a")
    assert yaml.safe_load((tmp_path / "runs" / "a" / "run.yaml").read_text()) == CONFIGURATION
    manifest = orjson.loads((tmp_path / "runs" / "a" / "manifest.json").read_bytes())
    assert (manifest["schema"], manifest["state"]) == ("critique-graph.run/1", "running")


async def test_same_configuration_resumes(tmp_path: Path) -> None:
    await begin(tmp_path)
    assert reopen(tmp_path) == 1


async def test_run_of_a_version_that_had_more_settings_resumes(tmp_path: Path) -> None:
    await begin(tmp_path, {**CONFIGURATION, "vote": "majority"})
    assert reopen(tmp_path) == 1
    with pytest.raises(RunError, match="samples was 1, is now 4"):
        reopen(tmp_path, samples=4)


async def test_run_of_a_version_without_several_critiques_resumes_with_one(tmp_path: Path) -> None:
    await begin(tmp_path)
    assert reopen(tmp_path, critiques=1, agree="majority", abstain_below=None, keep_original=False) == 1
    await begin(tmp_path / "new")
    with pytest.raises(RunError, match="critiques was 1, is now 3"):
        reopen(tmp_path / "new", critiques=3)


@pytest.mark.parametrize(
    "changes",
    [{"limit": 20}, {"limit": None}, {"concurrency": 8}, {"base_url": "http://127.0.0.1:8001/v1"}],
    ids=str,
)
async def test_change_that_touches_no_result_resumes(tmp_path: Path, changes: dict[str, Any]) -> None:
    await begin(tmp_path)
    assert reopen(tmp_path, **changes) == 1
    assert yaml.safe_load((tmp_path / "run.yaml").read_text()) == {**CONFIGURATION, **changes}


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"samples": 4}, "samples was 1, is now 4. Use another --out, or --fresh"),
        (
            {"samples": 4, "problems": "b.jsonl"},
            r"problems was 'miniature', is now 'b\.jsonl' \(and 1 more\)",
        ),
        ({"limit": 5}, "limit was 10, is now 5"),
        ({"prompts": "b2"}, "prompts was 'a1', is now 'b2'"),
        ({"gate": "always"}, "gate was None, is now 'always'"),
    ],
    ids=["samples", "two fields", "smaller limit", "prompts", "new field"],
)
async def test_other_configuration_is_refused_by_name(tmp_path: Path, changes: dict[str, Any], named: str) -> None:
    await begin(tmp_path)
    with pytest.raises(RunError, match=f"belongs to a run with another configuration: {named}"):
        reopen(tmp_path, **changes)


async def test_fresh_begins_anew_and_removes_only_what_a_run_writes(tmp_path: Path) -> None:
    await begin(tmp_path)
    (tmp_path / "traces.jsonl").write_text("{}\n")
    (tmp_path / "notes.txt").write_text("mine")
    assert reopen(tmp_path, fresh=True, samples=4) == 0
    assert not (tmp_path / "traces.jsonl").exists()
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("fresh", [False, True])
@pytest.mark.parametrize("name", ["run.yaml", "report.html", "traces.jsonl"])
def test_files_of_others_are_never_written_over(tmp_path: Path, name: str, fresh: bool) -> None:
    (tmp_path / name).write_text("somebody's")
    with pytest.raises(RunError, match=f"{name} exists and belongs to no run. Use another --out."):
        reopen(tmp_path, fresh=fresh)
    assert (tmp_path / name).read_text() == "somebody's"


@pytest.mark.parametrize("text", ['{"name": "my app"}', "not json", "[]"])
def test_manifest_of_others_is_never_written_over(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(RunError, match=r"manifest\.json is no manifest of a run"):
        reopen(tmp_path, fresh=True)
    assert (tmp_path / "manifest.json").read_text() == text


async def test_lost_manifest_is_named(tmp_path: Path) -> None:
    await begin(tmp_path)
    (tmp_path / "manifest.json").unlink()
    with pytest.raises(RunError, match=r"manifest\.json is missing. Restore it, or use --fresh"):
        reopen(tmp_path)


def test_run_killed_before_its_first_problem_can_begin_again(tmp_path: Path) -> None:
    with open_run(tmp_path, CONFIGURATION, prompts="a1"):
        pass
    (tmp_path / "manifest.json").unlink()
    (tmp_path / "run.yaml").unlink()
    assert reopen(tmp_path) == 0


def test_folder_in_use_is_refused_with_the_process_named(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        assert holder.stdout.readline() == b"locked\n"
        with pytest.raises(RunError, match=f"is in use by process {holder.pid}. Wait for it"):
            reopen(tmp_path)
        holder.stdin.close()
    assert reopen(tmp_path) == 0


HOLD = """
import sys
from pathlib import Path
from critique_graph.runs.folder import open_run
with open_run(Path(sys.argv[1]), {"problems": "miniature", "limit": 10, "samples": 1}, prompts="a1"):
    print("locked", flush=True)
    sys.stdin.read()
"""


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_folder_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(RunError, match=r"cannot write to the run folder .*: Permission denied"):
        reopen(tmp_path)


def test_folder_below_a_file_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=r"cannot make the run folder .*: Not a directory"):
        reopen(tmp_path / "file" / "run")


def test_lock_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("keep")
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RunError, match="lock is a link or no plain file"):
        reopen(tmp_path)
    assert (tmp_path / "elsewhere").read_text() == "keep"
