"""Records of a data set, or of released data, laid out for people to read."""

import random
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from rich.console import Group, RenderableType
from rich.rule import Rule
from rich.text import Text

from critique_graph.core.critique import parse_critique
from critique_graph.core.steps import split_steps
from critique_graph.generate.dataset import CritiqueRow, read_dataset
from critique_graph.generate.mathcritique import MathCritiqueExample, is_mathcritique, read_mathcritique
from critique_graph.output.terminal import plain

AnyRow = TypeVar("AnyRow")


def read_shown(path: Path) -> Iterator[CritiqueRow | MathCritiqueExample]:
    """Give the records of a data set, or of a file of released data.

    Raises:
        InputError: There is neither, or a record cannot be read.
    """
    return read_mathcritique(path) if is_mathcritique(path) else read_dataset(path)


def drawn(rows: Iterable[AnyRow], count: int, *, seed: int) -> list[AnyRow]:
    """Draw `count` rows, each equally likely, in one pass, and keep their order (reservoir sampling, algorithm R)."""
    rng = random.Random(seed)
    kept: list[tuple[int, AnyRow]] = []
    for position, row in enumerate(rows):
        if len(kept) < count:
            kept.append((position, row))
        elif (place := rng.randrange(position + 1)) < count:
            kept[place] = (position, row)
    return [row for _, row in sorted(kept, key=lambda pair: pair[0])]


def shown(row: CritiqueRow | MathCritiqueExample) -> RenderableType:
    """Lay out one record: question, response with its first wrong step marked, critique, and correct refinements."""
    return Group(*(_released_parts(row) if isinstance(row, MathCritiqueExample) else _parts(row)))


def _released_parts(example: MathCritiqueExample) -> Iterator[RenderableType]:
    yield Rule(plain(example.id), align="left")
    yield plain(example.question)
    yield from _steps(example.response, parse_critique(example.critique, example.response).first_wrong_step)
    yield plain(example.critique.strip(), style="cyan")
    yield Text("refinement:", style="bold")
    yield plain(example.refinement)


def _steps(response: str, first_error: int | None) -> Iterator[RenderableType]:
    for index, step in enumerate(split_steps(response)):
        is_wrong = index == first_error
        yield plain(f"{'✗' if is_wrong else ' '} {step}", style="red" if is_wrong else "")


def _parts(row: CritiqueRow) -> Iterator[RenderableType]:
    yield Rule(plain(f"{row.id} · {row.strategy} · level {row.level}"), align="left")
    yield plain(row.question)
    yield plain(f"reference: {row.reference}", style="dim")
    yield from _steps(row.response, row.first_error)
    if row.error_type is not None:
        yield plain(f"inserted: {row.error_type}: {row.error_description}", style="dim")
    yield plain(row.critique, style="cyan")
    worth = f"correct refinements: {row.right_with} of {row.refinements} with the critique"
    if not row.is_correct:
        worth += f", {row.right_without} of {row.refinements_without} without"
    if row.lift.value is not None:
        worth += f": {row.lift.percent(sign='+', unit='points')}"
    yield Text(worth, style="bold")
