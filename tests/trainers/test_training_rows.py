"""Rows of a training: read once, chosen as `select` chooses, kept on disk, and never all in memory."""

import json
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("trl")

from datasets import Dataset

from critique_graph.core.errors import InputError
from critique_graph.trainers.candidates import Candidate
from critique_graph.trainers.encoded import encoded
from critique_graph.trainers.rows import Message, TrainingRow
from critique_graph.trainers.selection import Balance, select, write_selected
from critique_graph.trainers.settings import TrainSettings
from critique_graph.trainers.training_rows import rows_to_learn, select_rows


class WatchedRow(dict[str, list[Message]]):
    """A row that can be watched while it is in memory."""


def candidates(count: int, *, most_held: int | None = None) -> Iterator[Candidate]:
    seen = list[weakref.ref[WatchedRow]]()
    for number in range(count):
        prompt = [{"role": "user", "content": str(number // 2)}]
        row = WatchedRow(prompt=prompt, completion=[{"role": "assistant", "content": "5"}])
        seen.append(weakref.ref(row))
        assert most_held is None or sum(reference() is not None for reference in seen) <= most_held
        yield Candidate(row, str(number // 7), number % 5, number % 3 == 0, ("GSM8K",) if number % 4 == 0 else ())  # type: ignore[arg-type]
        del row


def written(file: Path, rows: int) -> Path:
    lines = [
        {"prompt": [{"role": "user", "content": f"{n} + 3?"}], "completion": [{"role": "assistant", "content": "5"}]}
        for n in range(rows)
    ]
    file.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return file


@pytest.mark.parametrize("balance", ["none", "verdict", "level"])
@pytest.mark.parametrize("seed", [0, 1])
def test_rows_on_disk_are_those_that_select_chooses(balance: Balance, seed: int, tmp_path: Path) -> None:
    chosen = select(candidates(50), per_problem=3, balance=balance, seed=seed)
    done = write_selected(candidates(50), tmp_path / "rows.jsonl", per_problem=3, balance=balance, seed=seed)
    assert [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()] == chosen.rows
    assert (done.rows, done.dropped) == (len(chosen.rows), chosen.dropped)
    assert done.test_sets == {"GSM8K": sum(bool(candidate.test_sets) for candidate in chosen.candidates)}


def test_candidates_are_not_held(tmp_path: Path) -> None:
    assert write_selected(candidates(100, most_held=2), tmp_path / "rows.jsonl", per_problem=None).rows == 50
    with pytest.raises(AssertionError):
        select(candidates(100, most_held=2))


def test_rows_are_encoded_some_at_a_time_and_once(tmp_path: Path) -> None:
    sizes = []

    def encode(rows: list[TrainingRow], first: int) -> list[dict[str, list[int]]]:
        sizes.append((first, len(rows)))
        return [{"input_ids": [first, index], "labels": [-100, index]} for index in range(len(rows))]

    rows: list[TrainingRow] = [{"prompt": [], "completion": []}] * 2500

    def made() -> Dataset:
        return encoded(rows, encode, tmp_path / "encoded", max_length=9)

    dataset = made()
    assert sizes == [(0, 1000), (1000, 1000), (2000, 500)]
    assert [file["filename"] for file in dataset.cache_files] == [str(tmp_path / "encoded" / "rows.arrow")]
    assert made()[2499] == {"input_ids": [2000, 499], "labels": [-100, 499], "length": 2}
    assert len(sizes) == 3, "the file was there"


def test_rows_that_are_too_long_are_counted_over_all_that_are_encoded(tmp_path: Path) -> None:
    def encode(rows: list[TrainingRow], first: int) -> list[dict[str, list[int]]]:
        return [{"input_ids": [0] * (2 + first // 1000), "labels": [0]} for _ in rows]

    rows: list[TrainingRow] = [{"prompt": [], "completion": []}] * 2500
    with pytest.raises(ValueError, match=r"1500 of 2500 rows are longer than 2 tokens \(the longest: 4\)"):
        encoded(rows, encode, tmp_path, max_length=2)
    assert not (tmp_path / "rows.arrow").exists()


def test_training_that_has_begun_keeps_its_rows(tmp_path: Path) -> None:
    folder, data = tmp_path / "training", tmp_path / "rows.jsonl"
    folder.mkdir()
    begun = select_rows("actor", written(data, 3), folder, TrainSettings())
    assert (begun.rows, len(list(rows_to_learn(folder, begun)))) == (3, 3)
    assert select_rows("actor", written(data, 4), folder, TrainSettings()).rows == 4, "nothing has been trained yet"
    (folder / "checkpoints").mkdir()
    assert select_rows("actor", written(data, 5), folder, TrainSettings()).rows == 4


def test_nothing_to_learn_leaves_no_rows(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is nothing to learn"):
        write_selected([], tmp_path / "rows.jsonl")
    assert list(tmp_path.iterdir()) == []
