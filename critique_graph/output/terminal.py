"""Output of the command line: results on stdout, everything else on stderr."""

import sys
from collections.abc import Iterable
from typing import Annotated, Any

import orjson
from cyclopts import Parameter
from rich.console import Console
from rich.table import Table
from rich.text import Text

Flag = Annotated[bool, Parameter(negative="", show_default=False)]
stdout, log = Console(soft_wrap=True, highlight=False), Console(stderr=True, highlight=False)


def print_json(value: Any) -> None:
    """Print one object on stdout."""
    print_text(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS).decode())


def print_text(text: str) -> None:
    """Print text on stdout unchanged, for pipes."""
    sys.stdout.write(text.rstrip("\n") + "\n")
    sys.stdout.flush()


_CONTROL = dict.fromkeys(
    [*range(9), *range(11, 32), 127, *range(128, 160), 0x202A, 0x202B, 0x202D, 0x202E, 0x2066, 0x2067]
)


def figures_table(figures: Iterable[tuple[str, str]]) -> Table:
    """Lay out names and figures in two columns; texts from outside are shown as they are, never read as markup."""
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, figure in figures:
        table.add_row(name, plain(figure))
    return table


def plain(text: str, style: str = "") -> Text:
    """Make model text safe to print: markup in it is not interpreted, and control characters are removed."""
    return Text(text.translate(_CONTROL), style=style)
