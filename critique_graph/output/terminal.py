"""Output of the command line: results on stdout, everything else on stderr.

Models, servers and files of others write what is printed here. On its way out, every text loses the characters that a
terminal obeys or that nobody sees, and no text is read as markup.
"""

import sys
import unicodedata
from collections.abc import Iterable
from typing import Annotated, Any

import orjson
from cyclopts import Parameter
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

Flag = Annotated[bool, Parameter(negative="", show_default=False)]

_HIDDEN_CATEGORIES = ("Cc", "Cf", "Co", "Cs", "Zl", "Zp")
_HIDDEN_RANGES = (
    (0x034F, 0x034F), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F), (0x2065, 0x2065), (0x2800, 0x2800),
    (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFFA0, 0xFFA0), (0xFFF0, 0xFFF8), (0xE0000, 0xE0FFF),
)  # fmt: skip
"""Characters that are not of those categories and yet invisible: fillers, variation selectors, tags."""


def _is_hidden(code: int) -> bool:
    if chr(code) in "\n\t":
        return False
    return unicodedata.category(chr(code)) in _HIDDEN_CATEGORIES or any(a <= code <= b for a, b in _HIDDEN_RANGES)


class _Without(dict[int, int | None]):
    """A table for `str.translate` that leaves hidden characters out."""

    def __missing__(self, code: int) -> int | None:
        self[code] = None if _is_hidden(code) else code
        return self[code]


class _Escaped(dict[int, int | str]):
    """A table for `str.translate` that writes hidden characters as JSON does."""

    def __missing__(self, code: int) -> int | str:
        units = chr(code).encode("utf-16-be", "surrogatepass").hex()
        self[code] = "".join(f"\\u{units[i : i + 4]}" for i in range(0, len(units), 4)) if _is_hidden(code) else code
        return self[code]


_WITHOUT, _ESCAPED = _Without(), _Escaped()


class SafeConsole(Console):
    """A console that prints visible characters, line breaks and tabs alone, apart from its own colours."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render as `Console` does, without hidden characters."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=segment.text.translate(_WITHOUT))


stdout = SafeConsole(soft_wrap=True, highlight=False, markup=False, emoji=False)
log = SafeConsole(stderr=True, highlight=False, markup=False, emoji=False)


def print_json(value: Any) -> None:
    """Print one object on stdout; for a terminal, hidden characters in it are escaped."""
    text = orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS).decode()
    _write(text.translate(_ESCAPED) if sys.stdout.isatty() else text)


def print_json_lines(lines: Iterable[bytes]) -> None:
    """Print lines of JSON on stdout; for a terminal, hidden characters in them are escaped."""
    if not sys.stdout.isatty():
        sys.stdout.buffer.writelines(lines)
        return
    for line in lines:
        _write(line.decode().translate(_ESCAPED))


def print_text(text: str) -> None:
    """Print text on stdout; for a terminal, without hidden characters."""
    _write(text.translate(_WITHOUT) if sys.stdout.isatty() else text)


def _write(text: str) -> None:
    sys.stdout.write(text.rstrip("\n") + "\n")
    sys.stdout.flush()


def escaped(text: str) -> str:
    """Give a text with its hidden characters written as JSON writes them, so that a reader sees them."""
    return text.translate(_ESCAPED)


def figures_table(figures: Iterable[tuple[str, str]]) -> Table:
    """Lay out names and figures in two columns; texts from outside are shown as they are, never read as markup."""
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, figure in figures:
        table.add_row(plain(name), plain(figure))
    return table


def plain(text: str, style: str = "") -> Text:
    """Make foreign text safe to print: markup in it is not interpreted, and hidden characters are left out."""
    return Text(text.translate(_WITHOUT), style=style)
