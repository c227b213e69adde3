"""What of a row is learned, token by token: to look at, and checked against what should be."""

from collections.abc import Iterable, Iterator

from rich.text import Text
from transformers import PreTrainedTokenizerBase

from critique_graph.core.errors import InputError
from critique_graph.trainers.rows import TrainingRow
from critique_graph.trainers.sft import encode_rows

MOST_AROUND = 64
"""Characters that a template may put around a completion and have learned: the end of the turn, an empty thought."""
NO_LIMIT = 10**9


def checked_masks(rows: Iterable[TrainingRow], tokenizer: PreTrainedTokenizerBase) -> Iterator[list[tuple[str, bool]]]:
    """Give every row's tokens as text, each with whether it is learned.

    Raises:
        InputError: The tokenizer has no chat template, or of a row nothing, less than the completion, or more than it
            and the end of its turn is learned.
    """
    if tokenizer.chat_template is None:
        raise InputError(f"{tokenizer.name_or_path} has no chat template.")
    for number, row in enumerate(rows):
        try:
            (encoded,) = encode_rows([row], tokenizer, max_length=NO_LIMIT)
        except ValueError as error:
            raise InputError(f"row {number}: {error}") from error
        learned = [label for label in encoded["labels"] if label != -100]
        said, completion = tokenizer.decode(learned), row["completion"][0]["content"].strip()
        if completion not in said:
            raise InputError(f"row {number}: not all of the completion is learned, but {said!r}.")
        if len(said) > len(completion) + MOST_AROUND:
            raise InputError(f"row {number}: more than the completion is learned: {said!r}.")
        yield [
            (str(tokenizer.decode([token])), label != -100)
            for token, label in zip(encoded["input_ids"], encoded["labels"], strict=True)
        ]


def coloured(tokens: Iterable[tuple[str, bool]]) -> Text:
    """Lay out a row's tokens: what is learned in green, its context dimmed; tokens in turn underlined."""
    text = Text()
    for index, (token, is_learned) in enumerate(tokens):
        style = "green" if is_learned else "dim"
        text.append(token, style=f"{style} underline" if index % 2 else style)
    return text
