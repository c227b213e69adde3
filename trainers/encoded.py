"""Rows as tokens in an Arrow file mapped into memory: written once, and read by all processes of a training."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from accelerate import PartialState
from datasets import Dataset, Features, List, Value, concatenate_datasets
from datasets.arrow_writer import ArrowWriter
from transformers import PreTrainedTokenizerBase

from critique_graph.engines.accelerators import find_accelerator
from critique_graph.engines.processes import find_processes
from critique_graph.trainers.rows import Row, Rows, TrainingRow

TOKENS = Features({"input_ids": List(Value("int32")), "labels": List(Value("int32")), "length": Value("int32")})
_AT_ONCE = 1000
"""Number of rows that are encoded at once."""
_LONGEST_WAIT = timedelta(hours=4)
"""Time that processes wait for each other, at most: the first one encodes the rows of all."""


def on_disk(
    batches: Callable[[], Iterable[Mapping[str, list[Any]]]], folder: Path, features: Features | None
) -> Dataset:
    """Give a data set of batches of columns that is in a file, and not in memory.

    Args:
        batches: Makes the batches, each one a list for every column. It is called by the first process alone, and not
            if the folder has the file already.
        folder: Folder of the file, on a disk that all processes of the training see.
        features: Types of the columns; None: those of the first batch.
    """
    file = folder / "rows.arrow"
    with first_process_first():
        if not file.is_file():
            folder.mkdir(parents=True, exist_ok=True)
            partial = folder / "rows.partial"
            with ArrowWriter(path=str(partial), features=features) as writer:
                for batch in batches():
                    writer.write_batch(dict(batch))
                writer.finalize()
            partial.replace(file)
    return Dataset.from_file(str(file))


def encoded(
    rows: Rows[Row],
    encode: Callable[[Sequence[Row], int], Sequence[Mapping[str, list[int]]]],
    folder: Path,
    *,
    max_length: int,
) -> Dataset:
    """Give rows as a data set of `input_ids`, `labels` and `length`, on disk.

    For several processes, a last row is added of which nothing is learned: `GroupedByLength` fills batches with it.

    Args:
        rows: Rows to encode.
        encode: Turns some rows, the first of which has this number, into token ids and labels.
        folder: Folder of the file.
        max_length: Maximum number of tokens of a row.

    Raises:
        ValueError: There are no rows, or rows are too long.
    """

    def batches() -> Iterator[dict[str, list[Any]]]:
        for made in checked(rows, encode, max_length=max_length):
            yield {
                "input_ids": [row["input_ids"] for row in made],
                "labels": [row["labels"] for row in made],
                "length": [len(row["input_ids"]) for row in made],
            }

    dataset = on_disk(batches, folder, TOKENS)
    return dataset if find_processes().count == 1 else _with_blank(dataset)


def _with_blank(rows: Dataset) -> Dataset:
    blank = {"input_ids": [rows[0]["input_ids"][:1]], "labels": [[-100]], "length": [1]}
    return concatenate_datasets([rows, Dataset.from_dict(blank, features=TOKENS)])


def with_columns(
    rows: Rows[Row],
    encode: Callable[[Sequence[Row], int], Sequence[Mapping[str, list[int]]]],
    folder: Path,
    *,
    max_length: int,
) -> Dataset:
    """Give rows as a data set of their own columns, on disk, for trainers of TRL that encode them; else as `encoded`.

    TRL would cut rows that are too long, and say nothing: here they are an error.
    """

    def batches() -> Iterator[dict[str, list[Any]]]:
        for _ in checked(rows, encode, max_length=max_length):
            pass
        for batch in in_batches(rows):
            yield {name: [dict(row)[name] for row in batch] for name in batch[0]}

    return on_disk(batches, folder, None)


def checked(
    rows: Rows[Row], encode: Callable[[Sequence[Row], int], Sequence[Mapping[str, list[int]]]], *, max_length: int
) -> Iterator[Sequence[Mapping[str, list[int]]]]:
    """Give encoded rows batch by batch; what is wrong with their lengths is said at the end, of all rows.

    Raises:
        ValueError: There are no rows, or rows are too long.
    """
    if not len(rows):
        raise ValueError("There are no rows to train on.")
    too_long = longest = count = 0
    for batch in in_batches(rows):
        made = encode(batch, count)
        lengths = [len(row["input_ids"]) for row in made]
        too_long += sum(length > max_length for length in lengths)
        longest = max(longest, *lengths)
        count += len(batch)
        yield made
    if too_long:
        raise ValueError(
            f"{too_long} of {len(rows)} rows are longer than {max_length} tokens (the longest: {longest}): "
            "raise max_length, take a model with a longer context, or leave these rows out."
        )


def encode_rows(
    rows: Sequence[TrainingRow], tokenizer: PreTrainedTokenizerBase, *, max_length: int
) -> list[Mapping[str, list[int]]]:
    """Turn rows into token ids and labels, in memory; labels of the prompt are -100, so that it is not learned."""
    batches = checked(rows, partial(encode, tokenizer=tokenizer), max_length=max_length)
    return [row for batch in batches for row in batch]


def encode(
    rows: Sequence[TrainingRow], first: int, *, tokenizer: PreTrainedTokenizerBase
) -> list[dict[str, list[int]]]:
    """Turn rows, the first of which has this number, into token ids and labels."""
    prompts = tokenizer.apply_chat_template([r["prompt"] for r in rows], add_generation_prompt=True, tokenize=False)
    wholes = tokenizer.apply_chat_template([r["prompt"] + r["completion"] for r in rows], tokenize=False)
    made: list[dict[str, list[int]]] = []
    prompt_ids = tokenizer(prompts, add_special_tokens=False)["input_ids"]
    whole_ids = tokenizer(wholes, add_special_tokens=False)["input_ids"]
    for index, (prompt, whole) in enumerate(zip(prompt_ids, whole_ids, strict=True), start=first):
        if whole[: len(prompt)] != prompt or len(whole) == len(prompt):
            raise ValueError(
                f"Row {index} has nothing to learn, or its prompt is not a prefix of the whole conversation "
                "in this chat template."
            )
        made.append({"input_ids": whole, "labels": [-100] * len(prompt) + whole[len(prompt) :]})
    return made


def in_batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Give rows in lists of a size that is encoded at once."""
    left = iter(rows)
    while batch := list(islice(left, _AT_ONCE)):
        yield batch


@contextmanager
def first_process_first() -> Iterator[None]:
    """Let the first process of a training run a block before the others do."""
    if find_processes().count == 1:
        yield
        return
    is_cpu = find_accelerator().device.type == "cpu"
    with PartialState(cpu=is_cpu, timeout=_LONGEST_WAIT).main_process_first():
        yield
