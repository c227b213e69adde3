"""Records of a data set, laid out for people to read."""

import random
from collections.abc import Iterable, Iterator

from rich.console import Group, RenderableType
from rich.rule import Rule
from rich.text import Text

from critique_graph.core.steps import split_steps
from critique_graph.generate.dataset import CritiqueRow
from critique_graph.output.terminal import plain


def drawn(rows: Iterable[CritiqueRow], count: int, *, seed: int) -> list[CritiqueRow]:
    """Draw `count` rows, each equally likely, in one pass, and keep their order (reservoir sampling, algorithm R)."""
    rng = random.Random(seed)
    kept: list[tuple[int, CritiqueRow]] = []
    for position, row in enumerate(rows):
        if len(kept) < count:
            kept.append((position, row))
        elif (place := rng.randrange(position + 1)) < count:
            kept[place] = (position, row)
    return [row for _, row in sorted(kept, key=lambda pair: pair[0])]


def shown(row: CritiqueRow) -> RenderableType:
    """Lay out one record: question, response with its first wrong step marked, critique, and correct refinements."""
    return Group(*_parts(row))


def _parts(row: CritiqueRow) -> Iterator[RenderableType]:
    yield Rule(plain(f"{row.id} · {row.strategy} · level {row.level}"), align="left")
    yield plain(row.question)
    yield plain(f"reference: {row.reference}", style="dim")
    for index, step in enumerate(split_steps(row.response)):
        is_wrong = index == row.first_error
        yield plain(f"{'✗' if is_wrong else ' '} {step}", style="red" if is_wrong else "")
    if row.error_type is not None:
        yield plain(f"inserted: {row.error_type}: {row.error_description}", style="dim")
    yield plain(row.critique, style="cyan")
    worth = f"correct refinements: {row.right_with} of {row.refinements} with the critique"
    yield Text(
        worth if row.is_correct else f"{worth}, {row.right_without} of {row.refinements_without} without", style="bold"
    )
