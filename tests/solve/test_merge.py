"""The shards of a run become the run of one process, or it is said what is missing."""

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from hashed_model import HashedModel, addition_problems
from killable_run import traces_without_seconds
from killable_shard import PROBLEMS, play, start

from critique_graph.calls import caller as calls
from critique_graph.core.errors import InputError, RunError
from critique_graph.runs import shards as merging
from critique_graph.runs.journal import read_usages
from critique_graph.solve.merge import merge_runs
from critique_graph.solve.summary import Summary


@pytest.fixture
def single_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "MAX_ATTEMPTS", 1)


def play_shards(folder: Path, count: int, **options: Any) -> list[Path]:
    folders = [folder / f"part-{index}" for index in range(1, count + 1)]
    for index, part in enumerate(folders, start=1):
        play(part, f"{index}/{count}", **options)
    return folders


def found(summary: Summary) -> dict[str, Any]:
    """What a summary says, less what the clock decides."""
    return summary.model_dump(mode="json", exclude={"seconds", "run"})


def manifest(folder: Path) -> dict[str, Any]:
    return orjson.loads((folder / "manifest.json").read_bytes())


def unreachable(*questions: str) -> HashedModel:
    return HashedModel(faults=dict.fromkeys(questions, ConnectionError("refused")))


@pytest.mark.parametrize("count", [1, 3, 12])
def test_merged_shards_are_the_run_of_one_process(tmp_path: Path, count: int):
    whole = play(tmp_path / "whole")
    parts = play_shards(tmp_path, count)
    merged = merge_runs(reversed(parts), out=tmp_path / "merged")

    assert found(merged) == found(whole)
    assert traces_without_seconds(tmp_path / "merged") == traces_without_seconds(tmp_path / "whole")
    assert (tmp_path / "merged" / "run.yaml").read_bytes() == (tmp_path / "whole" / "run.yaml").read_bytes()
    clock = {"seconds": 0, "checksum": 0, "traces_checksum": 0}
    assert manifest(tmp_path / "merged") | clock == manifest(tmp_path / "whole") | clock
    assert merged.seconds >= sum(manifest(part)["seconds"] for part in parts)


def test_merged_run_has_every_call_and_calls_no_model_again(tmp_path: Path):
    play(tmp_path / "whole")
    merged = merge_runs(play_shards(tmp_path, 3), out=tmp_path / "merged")
    model = HashedModel()
    again = play(tmp_path / "merged", model=model)

    assert model.prompts == []
    assert found(again) == found(merged)
    assert again.seconds > merged.seconds
    usages = [
        sorted(str(used) for used in read_usages(tmp_path / name / "journal.sqlite")) for name in ("whole", "merged")
    ]
    assert usages[0] == usages[1] != []


@pytest.mark.usefixtures("single_attempts")
def test_problems_that_failed_in_a_shard_fail_in_the_merged_run_which_tries_them_again(tmp_path: Path):
    names = "What is 3 +", "What is 7 +"
    failing = play(tmp_path / "failing", model=unreachable(*names))
    merged = merge_runs(play_shards(tmp_path, 3, model=unreachable(*names)), out=tmp_path / "merged")
    model = HashedModel()
    mended = play(tmp_path / "merged", model=model)

    assert (merged.state, merged.done, merged.failed, merged.exit_code()) == ("complete", 8, 2, 3)
    assert found(merged) == found(failing)
    assert found(mended) == found(play(tmp_path / "whole"))
    assert all(any(name in prompt for name in names) for prompt in model.prompts if "What is" in prompt)


@pytest.mark.usefixtures("single_attempts")
def test_shard_that_tried_its_failed_problem_again_is_merged_anew(tmp_path: Path):
    parts = play_shards(tmp_path, 2, model=unreachable("What is 3 +"))
    merge_runs(parts, out=tmp_path / "merged")
    play(parts[1], "2/2")

    with pytest.raises(RunError, match="holds a run already"):
        merge_runs(parts, out=tmp_path / "merged")
    anew = merge_runs(parts, out=tmp_path / "merged", fresh=True)
    assert found(anew) == found(play(tmp_path / "whole"))


def test_shard_with_a_spent_budget_is_named_and_merged_once_it_has_gone_on(tmp_path: Path):
    first, second = tmp_path / "one", tmp_path / "two"
    play(first, "1/2", run_calls=1000)
    play(second, "2/2", run_calls=9)

    with pytest.raises(RunError, match=r"^not finished: \S+two \(shard 2/2\): stopped_early\. Wait, or give"):
        merge_runs([first, second], out=tmp_path / "merged")
    assert not (tmp_path / "merged").exists()
    play(second, "2/2", run_calls=1000)
    assert found(merge_runs([first, second], out=tmp_path / "merged")) == found(play(tmp_path / "whole"))


@pytest.mark.slow
def test_killed_shard_is_named_and_its_command_again_completes_the_run(tmp_path: Path):
    parts = [tmp_path / "one", tmp_path / "two"]
    workers = [start(parts[0], "1/2", last=1000), start(parts[1], "2/2", last=17)]
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, -signal.SIGKILL]

    with pytest.raises(RunError, match=r"not finished: \S+two \(shard 2/2\): running"):
        merge_runs(parts, out=tmp_path / "merged")
    play(parts[1], "2/2")
    whole = play(tmp_path / "whole")
    assert found(merge_runs(parts, out=tmp_path / "merged")) == found(whole)
    assert traces_without_seconds(tmp_path / "merged") == traces_without_seconds(tmp_path / "whole")


def test_money_is_that_of_all_shards(tmp_path: Path):
    prices = {"price": ("actor=1/10", "critic=0.5/2")}
    merged = merge_runs(play_shards(tmp_path, 3, **prices), out=tmp_path / "merged")

    assert merged.money == play(tmp_path / "whole", **prices).money
    assert merged.money is not None


def test_traces_of_a_shard_do_not_tell_it(tmp_path: Path):
    play(tmp_path / "part", "1/3")

    assert yaml.safe_load((tmp_path / "part" / "run.yaml").read_text())["shard"] == "1/3"
    assert all("shard" not in trace["settings"] for trace in traces_without_seconds(tmp_path / "part"))


def test_shard_resumes_only_as_this_shard(tmp_path: Path):
    play(tmp_path / "part", "1/3")

    for other in ("2/3", "1/2", None):
        with pytest.raises(RunError, match="shard was '1/3', is now"):
            play(tmp_path / "part", other)


def _other_samples(folder: Path) -> list[Path]:
    play(folder / "one", "1/2")
    play(folder / "two", "2/2", samples=3)
    return [folder / "one", folder / "two"]


def _other_counts(folder: Path) -> list[Path]:
    play(folder / "one", "1/2")
    play(folder / "two", "2/3")
    return [folder / "one", folder / "two"]


def _other_wordings(folder: Path) -> list[Path]:
    play(folder / "one", "1/2")
    play(folder / "two", "2/2", prompts="math-en")
    return [folder / "one", folder / "two"]


def _no_shard(folder: Path) -> list[Path]:
    play(folder / "one")
    return [folder / "one"]


def _no_run(folder: Path) -> list[Path]:
    return [*play_shards(folder, 2), folder / "none"]


REFUSED: dict[str, tuple[Callable[[Path], list[Path]], str]] = {
    "none": (lambda folder: [], "name the folders of all shards"),
    "two missing": (lambda folder: play_shards(folder, 4)[1::2], r"^missing: shard 1/4, 3/4\. Name the folders of all"),
    "one twice": (lambda folder: play_shards(folder, 2) * 2, r"shard 1/2 is there twice: \S+part-1 and \S+part-1\."),
    "other samples": (_other_samples, r"one \(shard 1/2\) and \S+two \(shard 2/2\) have other .* samples is 2 and 3"),
    "other counts": (_other_counts, r"one \(shard 1/2\) and \S+two \(shard 2/3\) are not parts of one run"),
    "another wording": (_other_wordings, "have other settings: prompts is"),
    "no shard": (_no_shard, "one is no shard: it is a run without --shard"),
    "no run": (_no_run, "none: there is no manifest.json"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_folders_that_are_not_all_shards_of_one_run_are_refused(tmp_path: Path, case: str):
    make, message = REFUSED[case]
    folders = make(tmp_path)

    with pytest.raises(InputError, match=message):
        merge_runs(folders, out=tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


def play_file(folder: Path, shard: str, problems: int, *, first: int = 0, **options: Any) -> Path:
    """Run a shard of a file, whose name stays when its content changes."""
    file = folder / "problems.jsonl"
    rows = addition_problems(first + problems)[first:]
    file.write_bytes(b"\n".join(orjson.dumps(row.model_dump(include={"id", "question", "answer"})) for row in rows))
    part = folder / shard.replace("/", "-of-")
    play(part, shard, problems=file, **options)
    return part


def test_shards_of_a_set_that_grew_are_refused(tmp_path: Path):
    parts = [play_file(tmp_path, "1/2", 4), play_file(tmp_path, "2/2", 8)]

    with pytest.raises(InputError, match=r"1-of-2 \(shard 1/2\) has 2 problems, and of 6 in all shards it must have 3"):
        merge_runs(parts, out=tmp_path / "merged")


def test_problem_in_two_shards_is_refused_and_leaves_nothing_behind(tmp_path: Path):
    parts = [play_file(tmp_path, "1/2", 6), play_file(tmp_path, "2/2", 6, first=1)]

    with pytest.raises(RunError, match=r"problem 'p2' is in \S+1-of-2 \(shard 1/2\) and in \S+2-of-2 \(shard 2/2\)"):
        merge_runs(parts, out=tmp_path / "merged")
    play_file(tmp_path, "2/2", 6, fresh=True)
    assert merge_runs(parts, out=tmp_path / "merged").done == 6


def test_folder_of_a_shard_is_not_overwritten(tmp_path: Path):
    parts = play_shards(tmp_path, 2)

    with pytest.raises(InputError, match="part-1 is the folder of a shard"):
        merge_runs(parts, out=tmp_path / "x" / ".." / "part-1", fresh=True)
    assert merge_runs(parts, out=tmp_path / "merged").done == len(PROBLEMS)


def test_other_versions_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture):
    parts = play_shards(tmp_path, 2)
    read = merging.read_manifest

    def with_older_torch(folder: Path) -> dict[str, Any] | None:
        known = read(folder)
        return known and {**known, "versions": {**known["versions"], "torch": "2.0"}} if folder == parts[1] else known

    monkeypatch.setattr(merging, "read_manifest", with_older_torch)
    merge_runs(parts, out=tmp_path / "merged")
    assert f"{parts[1]} (shard 2/2) has 2.0" in caplog.text
