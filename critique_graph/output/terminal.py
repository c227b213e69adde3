"""What the command line prints: results on stdout, everything else on stderr."""

import sys
from typing import Annotated, Any

import orjson
from cyclopts import Parameter
from rich.console import Console

Flag = Annotated[bool, Parameter(negative="", show_default=False)]
stdout, log = Console(soft_wrap=True, highlight=False), Console(stderr=True, highlight=False)


def print_json(value: Any) -> None:
    """Print one object on stdout."""
    print_text(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS).decode())


def print_text(text: str) -> None:
    """Print text on stdout as it is, for pipes."""
    sys.stdout.write(text.rstrip("\n") + "\n")
    sys.stdout.flush()
