"""The part `self_talk` of a study."""

import csv
from pathlib import Path

import pytest
from learners import TEST, FailingTrainer, Models, job
from learning import FakeTrainer

from critique_graph.core.errors import RunError
from critique_graph.metrics.at_k import pass_at_k
from critique_graph.runs.traces import read_traces
from critique_graph.study.figures import write_figures
from critique_graph.study.part import PartResult
from critique_graph.study.self_talk import self_talk

ARMS = ["two players", "self-talk", "self-correction", "solutions", "actor"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("study") / "self_talk"


@pytest.fixture(scope="module")
def result(folder: Path) -> PartResult:
    return self_talk(job(folder), trainer=FakeTrainer())


def test_every_arm_has_accuracy_pass_and_majority(result: PartResult) -> None:
    rows = result.tables["arms"]
    expected = [(arm, measure) for arm in ARMS for measure in ("accuracy", "pass@4", "maj@4")]
    assert [(row["arm"], row["measure"]) for row in rows] == expected
    assert {row["n"] for row in rows} == {len(TEST)}
    assert [row["arm"] for row in rows if row["rows"] is None and row["measure"] == "accuracy"] == [
        "two players",
        "actor",
    ]
    assert result.left_out is None


def test_curves_are_exact_means_over_subsets(result: PartResult, folder: Path) -> None:
    chances = []
    for trace in read_traces(folder / "two-players" / "sampled"):
        right = sum(bool(chain.latest and chain.latest.is_correct) for chain in trace.chains)
        chances.append(pass_at_k(4, right, 2))
    curve = {(row["arm"], row["measure"], row["k"]): row["value"] for row in result.tables["at_k"]}
    assert curve["two players", "pass", 2] == pytest.approx(sum(chances) / len(TEST))
    assert all(curve[arm, "pass", 1] == pytest.approx(curve[arm, "maj", 1]) for arm in ARMS)
    assert len(curve) == len(ARMS) * 2 * 4


def test_figure_has_the_votes_of_the_table(result: PartResult, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    write_figures([result], tmp_path)
    with (tmp_path / "self_talk.csv").open() as file:
        drawn = {(row["line"], int(row["responses per problem"])): row["correct"] for row in csv.DictReader(file)}
    votes = [row for row in result.tables["at_k"] if row["measure"] == "maj"]
    assert drawn == {(row["arm"], row["k"]): str(row["value"]) for row in votes}


def test_findings_are_the_order_of_the_paper_by_three_measures(result: PartResult) -> None:
    assert [found.name for found in result.findings] == [
        f"{places}_{measure}"
        for places in ("two_players_ahead_of_self_talk", "self_talk_ahead_of_self_correction")
        for measure in ("accuracy", "pass_at_4", "maj_at_4")
    ]
    values = {(row["arm"], row["measure"]): row["value"] for row in result.tables["arms"]}
    by_name = {found.name: found for found in result.findings}
    for measure in ("accuracy", "pass@4", "maj@4"):
        found = by_name[f"two_players_ahead_of_self_talk_{measure.replace('@', '_at_')}"]
        assert found.value == pytest.approx(values["two players", measure] - values["self-talk", measure])
        assert found.low is not None
        assert found.high is not None
        assert found.value is not None
        assert found.low <= found.value <= found.high
        assert "not matched" in found.compute


def test_arms_learn_their_own_text_of_the_same_talks(result: PartResult, folder: Path) -> None:
    (talks,) = result.tables["talks"]
    rows = {row["arm"]: row["rows"] for row in result.tables["arms"]}
    assert 0 < rows["self-talk"] <= talks["kept"] == talks["correct at first"] + talks["repaired"]
    texts = [(folder / arm / "rows.jsonl").read_text() for arm in ("self-talk", "self-correction", "solutions")]
    assert "Correctness of the final answer" in texts[1]
    assert "Correctness of the final answer" not in texts[0] + texts[2]


def test_same_job_again_asks_no_model(result: PartResult, folder: Path) -> None:
    models = Models()
    assert self_talk(job(folder, models=models), trainer=FakeTrainer()) == result
    assert models.calls == 0


def test_training_that_fails_is_left_out_and_the_others_run(tmp_path: Path) -> None:
    found = self_talk(job(tmp_path / "talk"), trainer=FailingTrainer("self-correction", RunError("out of memory.")))
    assert found.left_out == "self-correction: out of memory."
    assert [row["arm"] for row in found.tables["arms"][::3]] == [arm for arm in ARMS if arm != "self-correction"]
    assert {one.name.rpartition("_ahead_of_")[0] for one in found.findings} == {"two_players"}


def test_server_model_cannot_be_trained(tmp_path: Path) -> None:
    found = self_talk(job(tmp_path / "talk", actor="openai:big", base_url="http://127.0.0.1:9/v1"))
    assert found.left_out is not None
    assert "openai:big cannot be trained here" in found.left_out
