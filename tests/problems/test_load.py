import csv
import gc
import gzip
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from critique_graph.core.errors import InputError, MissingDependencyError
from critique_graph.core.schema import Problem
from critique_graph.problems.load import load_problems

DATA = Path(__file__).parents[2] / ".." / "shared" / "data"
ROWS = [{"question": "2 + 3?", "answer": "5"}, {"question": "Half of 3?", "answer": "1.5"}]


def write_jsonl(path: Path, rows: list[dict[str, str]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def write_gzip(path: Path, rows: list[dict[str, str]]) -> None:
    path.write_bytes(gzip.compress("\n".join(json.dumps(row) for row in rows).encode()))


def write_json(path: Path, rows: list[dict[str, str]]) -> None:
    path.write_text(json.dumps(rows, indent=1))


def write_csv(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def write_parquet(path: Path, rows: list[dict[str, str]]) -> None:
    parquet.write_table(pyarrow.Table.from_pylist(rows), path)


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("set.jsonl", write_jsonl),
        ("set.jsonl.gz", write_gzip),
        ("set.json", write_json),
        ("set.csv", write_csv),
        ("set.parquet", write_parquet),
    ],
)
def test_every_kind_of_file_gives_the_same_problems(
    tmp_path: Path, name: str, write: Callable[[Path, list[dict[str, str]]], None]
) -> None:
    write(tmp_path / name, ROWS)

    assert list(load_problems(tmp_path / name)) == [
        Problem(id="set/000000", question="2 + 3?", answer="5", source=name),
        Problem(id="set/000001", question="Half of 3?", answer="1.5", source=name),
    ]


@pytest.mark.parametrize("layout", [{}, {"indent": 3}, {"separators": (",", ":")}])
def test_json_file_that_is_read_piece_by_piece_gives_the_same_problems(
    layout: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"question": f"[{number}], é {{", "answer": number + 0.5, "more": [{}, []]} for number in range(50)]
    (tmp_path / "set.json").write_text(f"\n{json.dumps(rows, **layout)} \n")
    whole = list(load_problems(tmp_path / "set.json"))
    monkeypatch.setattr("critique_graph.problems.rows._PIECE", 3)
    assert list(load_problems(tmp_path / "set.json")) == whole
    assert [problem.answer for problem in whole] == [str(row["answer"]) for row in rows]


def load(tmp_path: Path, text: str | bytes, name: str = "set.jsonl", **fields: str) -> list[Problem]:
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return list(load_problems(str(path), **fields))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"problem": "Q", "solution": "so \\boxed{1}", "answer": "2"}, {"question": "Q", "answer": "2"}),
        ({"prompt": "Q", "target": "x\n#### 1,000"}, {"question": "Q", "answer": "1,000"}),
        ({"input": " Q\n", "gold": "Thus $\\boxed{\\frac{1}{2}}$."}, {"question": "Q", "answer": "\\frac{1}{2}"}),
        ({"question": "Q"}, {"question": "Q", "answer": None}),
        ({"question": "Q", "answer": None}, {"question": "Q", "answer": None}),
        ({"question": "Q", "answer": 10**30}, {"question": "Q", "answer": str(10**30)}),
        ({"question": "Q", "id": 7, "level": "Level 3"}, {"question": "Q", "id": "7", "level": 3}),
        ({"question": "Q", "unique_id": "a/b", "difficulty": 4}, {"question": "Q", "id": "a/b", "level": 4}),
        ({"question": "Q", "task_id": "t", "level": "Level ?"}, {"question": "Q", "id": "t", "level": None}),
    ],
    ids=["MATH-500", "GSM8K", "MATH", "no answer", "null", "large number", "id, level", "unique_id", "task_id"],
)
def test_known_fields_are_recognised(tmp_path: Path, row: dict[str, object], expected: dict[str, object]) -> None:
    problem = load(tmp_path, json.dumps(row))[0]

    found = problem.model_dump()
    assert {name: found[name] for name in expected} == expected


def test_numbers_keep_the_way_they_were_written(tmp_path: Path) -> None:
    assert load(tmp_path, '{"question": "Q", "answer": 2.50}')[0].answer == "2.50"


def test_fields_can_be_named(tmp_path: Path) -> None:
    text = '{"question": "Q", "q2": "R", "answer": "1", "a2": "2"}'

    problem = load(tmp_path, text, question_field="q2", answer_field="a2")[0]

    assert (problem.question, problem.answer) == ("R", "2")


def test_blank_lines_and_a_byte_order_mark_are_passed_over(tmp_path: Path) -> None:
    text = '\ufeff{"question": "Q"}\n\n  \r\n{"question": "R"}'

    assert [problem.id for problem in load(tmp_path, text)] == ["set/000000", "set/000001"]


def test_reading_keeps_nothing_of_rows_that_were_read(tmp_path: Path) -> None:
    rows = [{"id": f"problem {number}", "question": f"{number} + 1?"} for number in range(3_000)]
    write_jsonl(tmp_path / "set.jsonl", rows)
    blocks = {}
    for number, _ in enumerate(load_problems(tmp_path / "set.jsonl")):
        if number in (1_000, 2_999):
            gc.collect()
            blocks[number] = sys.getallocatedblocks()
    assert blocks[2_999] - blocks[1_000] < 500  # one for each row would be 2,000


def test_long_csv_cells_are_read(tmp_path: Path) -> None:
    assert len(load(tmp_path, f'question\n"{"x" * 200_000}"\n', "set.csv")[0].question) == 200_000


def test_rows_beyond_the_limit_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "set.jsonl").write_text('{"question": "Q"}\nbroken')

    assert len(list(load_problems(tmp_path / "set.jsonl", limit=1))) == 1


def test_rows_are_read_as_they_are_asked_for(tmp_path: Path) -> None:
    (tmp_path / "set.jsonl").write_text('{"question": "Q"}\nbroken')
    problems = load_problems(tmp_path / "set.jsonl")

    assert next(problems).question == "Q"
    with pytest.raises(InputError, match="line 2"):
        next(problems)


def test_miniature_is_drawn_by_seed() -> None:
    assert list(load_problems("miniature", limit=3, seed=1)) == list(load_problems("miniature", limit=3, seed=1))
    assert list(load_problems("miniature", limit=3, seed=1)) != list(load_problems("miniature", limit=3, seed=2))


def test_miniature_gives_a_hundred_problems_unless_told() -> None:
    assert len(list(load_problems("miniature"))) == 100


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '{"question": "Q"}\n{"question": ',
            r"set\.jsonl, line 2: this is not valid JSON \(Expecting value, column 13",
        ),
        ('{"question": "Q", "answer": NaN}', r"line 1: this is not valid JSON \(NaN is not a number; write null\)"),
        ("[" * 100_000, r"line 1: this is not valid JSON \("),
        ('["Q", "A"]', r"line 1: a problem is an object like .*, not a list\."),
        (
            '{"text": "Q", "idx": 1}',
            r"line 1: there is no field 'question' or .*; the fields are 'text', 'idx'\. Name one",
        ),
        ('{"question": ["Q"]}', r"line 1: the question in 'question' is of type list; it must be text\."),
        ('{"question": 5}', r"line 1: the question in 'question' is of type number; it must be text\."),
        ('{"question": " "}', r"line 1: the question in 'question' is empty\."),
        ('{"question": null}', r"line 1: the question in 'question' is empty\."),
        ('{"question": "\\ud800"}', r"line 1: the field 'question' holds a lone surrogate"),
        (
            '{"question": "Q", "answer": ["5"]}',
            r"line 1: the field 'answer' is of type list; it must be text or a number\.",
        ),
        (
            '{"question": "Q", "id": "a"}\n\n{"question": "R", "id": "a"}',
            r"line 3: the id 'a' is that of line 1 already\. Give every problem its own\.",
        ),
        ("", r"set\.jsonl: there are no problems in it\."),
        (b"\x89PNG\r\n\x1a\n\x00", r"line 1: this is not UTF-8 text"),
        (b"x" * 10_000_001, r"line 1: it is over 10 MB long\."),
    ],
    ids=lambda value: None if isinstance(value, bytes) or len(value) > 60 else value,
)
def test_unusable_line_is_refused_by_name(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        load(tmp_path, text)

    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("set.txt", "", r"set\.txt: the ending must be one of \.jsonl, "),
        (
            "set.json",
            '{"question": "Q"}',
            r"set\.json: it holds no list of problems\. One object per line is a \.jsonl",
        ),
        ("set.json", '{"question": "Q"}\n{"question": "R"}', r"line 2; one object per line is a \.jsonl file"),
        ("set.json", "[1]", r"set\.json, row 0: a problem is an object"),
        ("set.json", "[]", r"set\.json: there are no problems in it\."),
        ("set.json", '[{"question": "Q"}', r"set\.json: this is not valid JSON \(Expecting ',' delimiter, column 19"),
        ("set.json", '[{"question": "Q"},]', r"set\.json: this is not valid JSON"),
        ("set.json", '[{"question": "Q"} {"question": "R"}]', r"set\.json: this is not valid JSON \(Expecting ','"),
        ("set.json", '[{"question": "Q"}] []', r"set\.json: this is not valid JSON \(Extra data"),
        ("set.json", '[{"question": "Q", "level": NaN}]', r"NaN is not a number"),
        ("set.json", b'[{"question": "Q"}, {"question": "\xff"}]', r"not UTF-8 text \(byte 34"),
        ("set.json", b"\xff\xfe", r"set\.json: this is not UTF-8 text"),
        ("set.csv", "question\nQ,R\n", r"set\.csv, line 2: there are more cells than the header names\."),
        ("set.csv", 'question\n"Q\n', r"set\.csv, after line 1: this is not valid CSV"),
        ("set.csv", "idx\n1\n", r"set\.csv, line 2: there is no field 'question'"),
        ("set.csv", b"question\n\xff\n", r"set\.csv: this is not UTF-8 text"),
        ("set.parquet", "PAR1", r"set\.parquet: this is not a Parquet file that can be read"),
        ("set.jsonl.gz", "{}", r"set\.jsonl\.gz: it cannot be read"),
        ("set.jsonl.gz", gzip.compress(b'{"question": "Q"}' * 99, mtime=0)[:-9], r"set\.jsonl\.gz: it cannot be read"),
    ],
)
def test_unusable_file_is_refused_by_name(tmp_path: Path, name: str, text: str | bytes, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        load(tmp_path, text, name)

    assert "\n" not in str(caught.value)


def test_parquet_answer_that_is_not_a_number_is_refused(tmp_path: Path) -> None:
    write_parquet(tmp_path / "set.parquet", [{"question": "Q", "answer": float("nan")}])  # type: ignore[dict-item]

    with pytest.raises(InputError, match="row 0: the field 'answer' is nan"):
        list(load_problems(tmp_path / "set.parquet"))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            "no/such.jsonl",
            r"no/such\.jsonl: there is no such file\. Give a problem file, 'miniature' or 'hf:owner/name'",
        ),
        (".", r"this is a folder\. Name a file in it\."),
        ("hf:gsm8k", r"hf:gsm8k: a data set of the hub is named hf:owner/name\[:config\[:split\]\]\."),
    ],
)
def test_unusable_set_is_refused_by_name(spec: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        list(load_problems(spec))


def test_unusable_set_is_refused_before_the_first_problem_is_asked_for() -> None:
    with pytest.raises(InputError, match="no such file"):
        load_problems("missing.jsonl")


def test_named_answer_field_must_exist(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no field 'a2'; the fields are 'question', 'answer'"):
        load(tmp_path, '{"question": "Q", "answer": "1"}', answer_field="a2")


def test_limit_must_be_positive() -> None:
    with pytest.raises(InputError, match="limit must be at least 1, got 0"):
        load_problems("miniature", limit=0)


@pytest.mark.parametrize(("spec", "module"), [("hf:a/b", "datasets"), ("set.parquet", "pyarrow")])
def test_missing_extra_says_what_to_install(
    spec: str, module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "set.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, module, None)

    with pytest.raises(MissingDependencyError, match=rf'{module}: pip install "critique-graph\[data\]"'):
        list(load_problems(spec))


@pytest.mark.parametrize("spec", ["hf:openai/tiny", "hf:openai/tiny:main", "hf:openai/tiny::test"])
def test_hub_set_is_streamed(spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    splits = {"train": [], "test": ROWS}

    def load_dataset(
        name: str, config: str | None, *, split: str | None, streaming: bool
    ) -> "datasets.IterableDatasetDict | datasets.IterableDataset":
        assert (name, streaming) == ("openai/tiny", True)
        assert config in (None, "main")
        sets = {
            key: datasets.IterableDataset.from_generator(lambda rows: iter(rows), gen_kwargs={"rows": rows})
            for key, rows in splits.items()
        }
        return sets[split] if split else datasets.IterableDatasetDict(sets)

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)

    problems = list(load_problems(spec))

    assert [(problem.id, problem.answer) for problem in problems] == [("tiny/000000", "5"), ("tiny/000001", "1.5")]
    assert problems[0].source == spec


def test_hub_set_that_cannot_be_reached_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")

    def load_dataset(*_: object, **__: object) -> None:
        raise ConnectionError("Couldn't reach\n'openai/tiny' on the Hub")

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)

    with pytest.raises(InputError, match=r"^hf:openai/tiny: it cannot be loaded \(Couldn't reach 'openai/tiny' on"):
        list(load_problems("hf:openai/tiny"))


@pytest.mark.parametrize(
    ("name", "count", "first"),
    [
        ("gsm8k/test.jsonl", 1319, ("test/000000", "18", None)),
        ("math/math500.jsonl", 500, ("test/precalculus/807.json", "\\left( 3, \\frac{\\pi}{2} \\right)", 2)),
    ],
)
def test_public_sets_are_read_whole(name: str, count: int, first: tuple[str, str, int | None]) -> None:
    if not (DATA / name).exists():
        pytest.skip(f"{DATA / name} is not on this machine")

    problems = list(load_problems(DATA / name))

    assert (problems[0].id, problems[0].answer, problems[0].level) == first
    assert sum(problem.answer is not None for problem in problems) == len(problems) == count


@pytest.mark.parametrize(
    ("row", "answer"),
    [
        ({"question": "Q", "Answer": "5"}, "5"),
        ({"Question": "Q", "ANSWER": "5"}, "5"),
        ({"problem": "Q", "expected_answer": "5", "generated_solution": "2 + 3 = 5"}, "5"),
        ({"problem": "Q", "solution": "We add.", "expected_answer": "5"}, "5"),
        ({"problem": "Q", "Final Answer": "5"}, "5"),
        ({"problem": "Q", "final-answer": 5}, "5"),
        ({"problem": "Q", "groundTruth": "5", "ground_truth": "6"}, "5"),
        ({"problem": "Q", "answer": None, "solution": r"so \boxed{5}"}, "5"),
        ({"problem": "Q", "answer": "", "final_answer": "5"}, "5"),
        ({"question": None, "problem": "Q", "answer": "5"}, "5"),
        ({"question": "", "prompt": "Q", "answer": 5.0}, "5.0"),
        ({"problem": "Q", "answer": "5", "final_answer": "6"}, "5"),
    ],
    ids=str,
)
def test_reference_column_is_recognised(tmp_path: Path, row: dict[str, object], answer: str) -> None:
    (problem,) = load(tmp_path, json.dumps(row))

    assert (problem.question, problem.answer) == ("Q", answer)


def test_spaces_and_capitals_in_the_header_of_a_csv_do_not_matter(tmp_path: Path) -> None:
    (tmp_path / "set.csv").write_text("ID , Question, Expected Answer\n1,What is 2 + 3?,5\n2,Half of 3?,\n")

    problems = list(load_problems(tmp_path / "set.csv"))

    assert [(p.id, p.question, p.answer) for p in problems] == [("1", "What is 2 + 3?", "5"), ("2", "Half of 3?", None)]


def test_named_field_is_found_in_another_spelling(tmp_path: Path) -> None:
    (problem,) = load(tmp_path, '{"Task": "Q", "Right Answer": 7}', question_field="task", answer_field="right_answer")

    assert (problem.question, problem.answer) == ("Q", "7")


def test_missing_reference_column_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "set.jsonl"
    path.write_text('{"question": "Q", "worked": "5"}\n' * 2)

    for _ in range(2):
        list(load_problems(path))

    (said,) = caplog.messages
    assert "none of the fields 'question', 'worked' is known to hold them" in said
    assert "--answer-field" in said


def test_reference_column_that_was_chosen_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    load(tmp_path, '{"question": "Q", "expected_answer": "5"}')

    (said,) = caplog.messages
    assert "the reference answers are read from 'expected_answer'" in said


def test_column_that_is_called_answer_or_was_named_needs_no_word(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    load(tmp_path, '{"question": "Q", "answer": "5"}')
    load(tmp_path, '{"question": "Q", "target": "5"}', answer_field="target")

    assert caplog.messages == []


def test_number_is_a_reference_in_python() -> None:
    assert Problem(id="p", question="Q", answer=5).answer == "5"  # type: ignore[arg-type]
