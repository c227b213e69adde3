"""The released MathCritique format, on all released examples where they are at hand."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from critique_graph.cli import run_command
from critique_graph.core.errors import InputError
from critique_graph.generate.mathcritique import (
    MathCritiqueExample,
    is_mathcritique,
    read_example,
    read_mathcritique,
    write_example,
    write_mathcritique,
)

RELEASED = Path(__file__).parents[3] / "shared" / "data" / "mathcritique"
CRITIQUE = """\
Step sentence: 2 + 3 = 6.
Correctness of the step: Wrong
Explanation: It is 5.

Correctness of the final answer: Wrong
Explanation: A step is wrong.
"""
EXAMPLE = MathCritiqueExample(
    question="What is 2 + 3?",
    response="2 + 3 = 6.\nThe answer is 6.",
    critique=CRITIQUE,
    refinement="2 + 3 = 5.\nThe answer is 5.",
)
RECORD = write_example(EXAMPLE)
AGREES = EXAMPLE.model_copy(update={"critique": CRITIQUE.replace("Wrong", "Correct")})
UNREADABLE = EXAMPLE.model_copy(update={"critique": "Nice!"})


def written(path: Path, *records: object) -> Path:
    path.write_text(json.dumps(records))
    return path


def exported(file: Path, out: Path, *arguments: str) -> list[Any]:
    assert run_command(["export", str(file), "--to", "trl", *arguments, "--out", str(out)]) == 0
    return [json.loads(line) for line in out.read_text().splitlines()]


@pytest.mark.parametrize("kind", ["gsm8k", "math"])
def test_released_examples_come_back_as_they_were(kind: str):
    path = RELEASED / f"llama3_8b_{kind}.json"
    if not path.exists():
        pytest.skip(f"{path} is not on this machine")
    records = json.loads(path.read_text())
    assert len(records) == 100
    for record in records:
        example = read_example(record)
        assert example.answer_form == kind
        assert write_example(example) == record


@pytest.mark.parametrize("answer_form", ["gsm8k", "math"])
def test_example_comes_back_as_it_was(answer_form: str):
    texts = {"question": "What is 2 + 3?", "response": "It is 6.", "critique": "Wrong.", "refinement": "It is 5."}
    example = MathCritiqueExample(**texts, answer_form=answer_form)
    assert read_example(write_example(example)) == example


@pytest.mark.parametrize("record", [{}, {"instruction": "What is 2 + 3?", "input": "", "output": "5"}])
def test_other_records_are_refused(record: dict[str, str]):
    with pytest.raises(InputError, match=r"no record of the MathCritique format|no text in 'instruction' or 'output'"):
        read_example(record)


@pytest.mark.parametrize("name", ["released.json", "released.jsonl"])
def test_file_comes_back_as_it_was(name: str, tmp_path: Path):
    file = tmp_path / name
    assert write_mathcritique(file, [EXAMPLE, AGREES]) == 2
    assert is_mathcritique(file)
    read = list(read_mathcritique(file))
    assert [example.id for example in read] == ["released/000000", "released/000001"]
    assert [example.model_copy(update={"id": ""}) for example in read] == [EXAMPLE, AGREES]


def test_list_without_records_is_a_list(tmp_path: Path):
    assert write_mathcritique(tmp_path / "a.json", []) == 0
    assert json.loads((tmp_path / "a.json").read_text()) == []


def test_records_of_no_use_are_counted_with_the_reason(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    lone = {**RECORD, "output": "\ud800"}
    file = written(tmp_path / "a.json", {}, {"instruction": "What?", "output": "5"}, RECORD, {}, lone, {}, {})
    with caplog.at_level(logging.WARNING):
        assert [example.id for example in read_mathcritique(file)] == ["a/000002"]
    assert caplog.messages == [
        f"{file}: 6 of 7 records left out: rows 0, 3, 5 and 1 more (no text in 'instruction' or 'output'); "
        "row 1 (no record of the MathCritique format: its instruction has other parts); "
        "row 4 (a lone surrogate, which is not Unicode text)"
    ]


def test_file_without_a_record_of_use_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match=r"2 of 2 records left out: rows 0, 1 \(no record of"):
        list(read_mathcritique(written(tmp_path / "a.json", *[{"instruction": "What?", "output": "5"}] * 2)))


@pytest.mark.parametrize(
    ("task", "learned"),
    [
        ("critic", CRITIQUE),
        ("refiner", EXAMPLE.refinement),
        ("actor", EXAMPLE.refinement),
        ("self-correction", f"{EXAMPLE.response}\n\n{CRITIQUE.strip()}\n\n{EXAMPLE.refinement}"),
    ],
)
def test_file_makes_rows_of_the_task(task: str, learned: str, tmp_path: Path):
    (row,) = exported(written(tmp_path / "a.json", RECORD), tmp_path / "rows.jsonl", "--task", task)
    assert row["completion"] == [{"role": "assistant", "content": learned}]


def test_file_makes_pairs_and_labelled_steps(tmp_path: Path):
    file = written(tmp_path / "a.json", RECORD)
    (pair,) = exported(file, tmp_path / "rows.jsonl", "--task", "preference")
    assert (pair["chosen"][0]["content"], pair["rejected"][0]["content"]) == (EXAMPLE.refinement, EXAMPLE.response)
    assert exported(file, tmp_path / "rows.jsonl", "--task", "step-critic") == [
        {"prompt": "What is 2 + 3?", "completions": ["2 + 3 = 6."], "labels": [False]}
    ]


def test_what_cannot_be_learned_is_left_out_and_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    janet = (
        "Janet\u2019s ducks lay 16 eggs per day. She eats three for breakfast every morning and bakes muffins for her "
        "friends every day with four. She sells the remainder at the farmers' market daily for $2 per fresh duck egg. "
        "How much in dollars does she make every day at the farmers' market?"
    )
    test_question = EXAMPLE.model_copy(update={"question": janet})
    records = map(write_example, (UNREADABLE, AGREES, test_question))
    rows = exported(written(tmp_path / "a.json", RECORD, *records), tmp_path / "rows.jsonl")
    assert len(rows) == 1
    (said,) = caplog.messages
    assert said.endswith(
        "3 of 4 records left out: row 1 (a critique that cannot be read); row 2 (a critique that calls the wrong "
        "response correct); row 3 (a question of the test split of GSM8K)"
    )


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--to", "trl", "--task", "self-talk"), "rows of self-talk come from a run folder"),
        (("--to", "trl", "--task", "critic-preference"), "is no run folder of `generate`"),
        (("--to", "parquet"), "released data have no reference answers"),
        (("--to", "traces"), "a.json"),
    ],
)
def test_what_the_file_does_not_hold_is_one_line(
    arguments: tuple[str, ...], reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    file = written(tmp_path / "a.json", RECORD)
    assert run_command(["export", str(file), *arguments, "--out", str(tmp_path / "out")]) == 2
    assert reason in " ".join(capsys.readouterr().err.split())
    assert "Traceback" not in capsys.readouterr().err


def test_file_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert run_command(["show", str(written(tmp_path / "a.json", RECORD))]) == 0
    said = capsys.readouterr().out
    assert said.splitlines()[0].startswith("a/000000 ")
    assert "\n✗ 2 + 3 = 6.\n  The answer is 6.\n" in said
    assert said.rstrip().endswith("refinement:\n2 + 3 = 5.\nThe answer is 5.")


def test_generated_data_are_written_in_the_format_and_learned_from_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    pytest.importorskip("torch")
    run = tmp_path / "run"
    settings = ("--limit", "6", "--seed", "3", "--samples", "4", "--attempts", "2", "--refinements", "4", "--quiet")
    assert run_command(["generate", "--to", "mathcritique", "--out", str(run), *settings]) == 0
    made = run / "mathcritique.json"
    assert f"{len(json.loads(made.read_text()))} records: {made}" in "".join(capsys.readouterr().err.splitlines())
    again = tmp_path / "again.json"
    assert run_command(["export", str(run), "--to", "mathcritique", "--out", str(again)]) == 0
    assert again.read_bytes() == made.read_bytes()
    assert run_command(["export", str(made), "--to", "mathcritique", "--out", str(again)]) == 0
    assert again.read_bytes() == made.read_bytes()
    for task in ("refiner", "preference"):
        rows = exported(run, tmp_path / "rows.jsonl", "--task", task)
        assert exported(made, tmp_path / "rows.jsonl", "--task", task) == rows
    steps = exported(run, tmp_path / "rows.jsonl", "--task", "step-critic")
    wrong = [row for row in steps if not all(row["labels"])]
    assert exported(made, tmp_path / "rows.jsonl", "--task", "step-critic") == wrong


@pytest.mark.parametrize("kind", ["gsm8k", "math"])
def test_released_files_make_rows_of_every_task(kind: str, tmp_path: Path):
    path = RELEASED / f"llama3_8b_{kind}.json"
    if not path.exists():
        pytest.skip(f"{path} is not on this machine")
    for task in ("critic", "refiner", "actor", "preference", "step-critic", "self-correction"):
        assert len(exported(path, tmp_path / "rows.jsonl", "--task", task)) == {"gsm8k": 99, "math": 100}[kind]
