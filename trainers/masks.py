"""Shows which tokens of a row are learned, and checks that these are the completion."""

from collections.abc import Iterable, Iterator

from jinja2 import TemplateError
from rich.text import Text
from transformers import PreTrainedTokenizerBase

from critique_graph.core.errors import InputError
from critique_graph.engines.plain_template import give_template
from critique_graph.trainers.encoded import encode_rows
from critique_graph.trainers.rows import TrainingRow

MOST_AROUND = 64
"""Number of learned characters that a template may add to a completion: the end of the turn, an empty thought."""
NO_LIMIT = 10**9


def checked_masks(rows: Iterable[TrainingRow], tokenizer: PreTrainedTokenizerBase) -> Iterator[list[tuple[str, bool]]]:
    """Give the tokens of every row as text, each with whether it is learned.

    Raises:
        InputError: The tokenizer can have no chat template, or what is learned of a row is nothing, only a part of the
            completion, or more than the completion and the end of its turn.
    """
    give_template(tokenizer, tokenizer.name_or_path)
    for number, row in enumerate(rows):
        try:
            (encoded,) = encode_rows([row], tokenizer, max_length=NO_LIMIT)
        except (ValueError, TemplateError) as error:
            raise InputError(f"row {number}: {error}") from error
        learned = [label for label in encoded["labels"] if label != -100]
        said, completion = tokenizer.decode(learned), row["completion"][0]["content"].strip()
        if completion not in said:
            raise InputError(f"row {number}: not all of the completion is learned, only {said!r}.")
        if len(said) > len(completion) + MOST_AROUND:
            raise InputError(f"row {number}: more than the completion is learned: {said!r}.")
        yield [
            (str(tokenizer.decode([token])), label != -100)
            for token, label in zip(encoded["input_ids"], encoded["labels"], strict=True)
        ]


def coloured(tokens: Iterable[tuple[str, bool]]) -> Text:
    """Lay out the tokens of a row: learned ones are green, others are dimmed; every second token is underlined."""
    text = Text()
    for index, (token, is_learned) in enumerate(tokens):
        style = "green" if is_learned else "dim"
        text.append(token, style=f"{style} underline" if index % 2 else style)
    return text
