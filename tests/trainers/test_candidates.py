"""Files of labelled steps as rows of step critics, and what is said about those of test sets."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from fakes import ScriptedModel, critique_text, solution

from critique_graph.cli import run_command
from critique_graph.core.errors import InputError
from critique_graph.core.schema import Problem
from critique_graph.runs.traces import read_traces
from critique_graph.solve.run import run_problems
from critique_graph.trainers.candidates import judged_responses, read_candidates

ROW = {"problem": "What is 2 + 3 + 4?", "steps": ["2 + 3 = 5.", "5 + 4 = 8.", "The answer is 8."], "label": 1}
CORRECT = {"problem": "What is 2 + 3?", "steps": ["2 + 3 = 5.", "The answer is 5."], "label": -1}
PROCESSBENCH = Path(__file__).parents[3] / "shared" / "data" / "processbench" / "gsm8k.json"


def written(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text(json.dumps(rows))
    return path


def test_steps_up_to_the_first_wrong_one_are_labelled(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    file = written(tmp_path / "a.json", ROW, CORRECT, {**ROW, "label": 0})
    with caplog.at_level(logging.WARNING):
        found = list(read_candidates(file, "step-critic"))
    assert [candidate.row for candidate in found] == [
        {"prompt": ROW["problem"], "completions": ["2 + 3 = 5.", "5 + 4 = 8."], "labels": [True, False]},
        {"prompt": CORRECT["problem"], "completions": ["2 + 3 = 5.", "The answer is 5."], "labels": [True, True]},
        {"prompt": ROW["problem"], "completions": ["2 + 3 = 5."], "labels": [False]},
    ]
    assert [candidate.is_correct for candidate in found] == [False, True, False]
    assert found[0].problem == found[2].problem != found[1].problem
    assert caplog.messages == []


def test_rows_of_processbench_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    file = written(tmp_path / "a.json", CORRECT, {**ROW, "generator": "m", "final_answer_correct": False})
    found = list(read_candidates(file, "step-critic"))
    assert [list(candidate.test_sets) for candidate in found] == [[], ["ProcessBench"]]
    assert caplog.messages == [
        f"{file}: there are rows of test sets (1 of ProcessBench): figures on these say nothing about a model that "
        "learns from them"
    ]


def test_labelled_steps_make_rows_of_no_other_task(tmp_path: Path):
    with pytest.raises(InputError, match="rows of step-critic alone, not of critic"):
        list(read_candidates(written(tmp_path / "a.json", ROW), "critic"))


def test_row_that_cannot_be_used_is_named(tmp_path: Path):
    with pytest.raises(InputError, match="row 1: the field 'label' must be"):
        list(read_candidates(written(tmp_path / "a.json", ROW, {**ROW, "label": 7}), "step-critic"))


def test_card_of_a_model_names_the_test_sets_that_it_learned(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    pytest.importorskip("trl")
    rows = [{**CORRECT, "problem": f"What is 2 + {number}?"} for number in range(20)]
    marked = {"generator": "m", "final_answer_correct": False}
    file = written(tmp_path / "a.json", *rows, {**ROW, **marked}, {**ROW, **marked, "label": 0})
    out = tmp_path / "model"
    command = ["train", "step-critic", str(file), "--model", "miniature:actor", "--out", str(out), "--max-steps", "1"]
    assert run_command([*command, "--quiet", "--json"]) == 0
    training = json.loads(capsys.readouterr().out)
    assert training["test_sets"] == {"ProcessBench": 2}
    assert "**In the data, there are rows of test sets (2 of ProcessBench): figures on these" in " ".join(
        (out / "README.md").read_text().split()
    )


def test_exported_steps_of_a_test_set_are_still_known(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    if not PROCESSBENCH.exists():
        pytest.skip(f"{PROCESSBENCH} is not on this machine")
    rows = tmp_path / "rows.jsonl"
    assert run_command(["export", str(PROCESSBENCH), "--to", "prm", "--out", str(rows)]) == 0
    labels = [json.loads(line)["labels"] for line in rows.read_text().splitlines()]
    assert len(labels) == 400
    assert [sum(kind) for kind in zip(*((all(row), not row[-1] and all(row[:-1])) for row in labels), strict=True)] == [
        sum(row["label"] == -1 for row in json.loads(PROCESSBENCH.read_text())),
        sum(row["label"] != -1 for row in json.loads(PROCESSBENCH.read_text())),
    ]
    assert "400 of ProcessBench and 400 of the test split of GSM8K" in caplog.text


def test_critique_that_stands_for_several_is_learned_with_the_response_that_it_judges(tmp_path: Path):
    right, wrong = critique_text("Correct"), critique_text("Wrong")
    run_problems(
        [Problem(id="a", question="What is 3 + 4?", answer="7")],
        actor=ScriptedModel(replies=[solution(8), solution(7)]),
        critic=ScriptedModel(replies=[right, wrong, right, "I like it."]),
        out=tmp_path,
        critiques=2,
        critic_temperature=1,
        agree="any_wrong",
        keep_original=True,
    )
    (trace,) = read_traces(tmp_path)
    assert (trace.answer, trace.chains[0].stop) == ("8", "kept_original")
    found = [(judged.response, judged.critique, judged.is_reliable) for judged in judged_responses(trace)]
    assert found == [(solution(8), wrong, True), (solution(7), right, True)]
