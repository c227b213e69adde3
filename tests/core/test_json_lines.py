"""Files of JSON lines: written records are read back, and errors name the file and the line."""

from pathlib import Path

import pytest
from pydantic import Field

from critique_graph.core.errors import InputError
from critique_graph.core.json_lines import read_json_lines, read_records, write_json_lines
from critique_graph.core.schema import Record


class Sum(Record):
    text: str
    value: int = Field(alias="is")


SUMS = [Sum.model_validate({"text": f"1 + {n}", "is": 1 + n}) for n in range(3)]


def test_written_records_are_read_again(tmp_path: Path) -> None:
    assert write_json_lines(tmp_path / "sums.jsonl", iter(SUMS)) == 3
    assert list(read_records(tmp_path / "sums.jsonl", Sum, "a sum")) == SUMS
    assert list(read_json_lines(tmp_path / "sums.jsonl"))[1] == (2, {"text": "1 + 1", "is": 2})


def test_empty_lines_are_passed_over_and_counted(tmp_path: Path) -> None:
    (tmp_path / "file").write_text('\n{"text": "1 + 0", "is": 1}\n \n')
    assert list(read_records(tmp_path / "file", Sum, "a sum")) == SUMS[:1]
    assert [number for number, _ in read_json_lines(tmp_path / "file")] == [2]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"text": ', "sums.jsonl, line 2 is not a sum: Invalid JSON: EOF while parsing"),
        ("[]", r"sums.jsonl, line 2 is not a sum: Input should be an object\."),
        ('{"text": "1"}', r"sums.jsonl, line 2 is not a sum: is: Field required\."),
    ],
    ids=["torn", "list", "field missing"],
)
def test_line_that_is_no_record_is_named(line: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "sums.jsonl").write_text(f'{{"text": "1 + 0", "is": 1}}\n{line}\n')
    records = read_records(tmp_path / "sums.jsonl", Sum, "a sum")
    assert next(records) == SUMS[0]
    with pytest.raises(InputError, match=message):
        next(records)


def test_line_that_is_not_json_is_named(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_bytes(b"{}\n\xff\n")
    with pytest.raises(InputError, match=r"rows\.jsonl, line 2 is not JSON: "):
        list(read_json_lines(tmp_path / "rows.jsonl"))
