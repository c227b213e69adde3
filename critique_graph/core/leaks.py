"""Whether a critique gives the reference answer away, which no critic knows."""

import re

_STEP_NUMBER = re.compile(r"\bstep\s+\d+", re.IGNORECASE)
_THOUSANDS = re.compile(r"(?<=\d)(?:,|\{,\}|\\,)(?=\d{3})")
_WORKED_OUT = re.compile(r"=\s*[$({*]*(?:\\boxed\{)?\s*$")
"""End of a text after which a number is the value of an equation."""
_EQUATION_END = 20
"""Number of characters before a number in which its equals sign is looked for."""


def gives_answer_away(critique: str, work: str, *, question: str, response: str, reference: str) -> bool:
    """Tell whether a critique states the reference answer without working it out, so that the actor can copy it.

    It does if the answer stands in the critique, neither the problem nor the response has it, and in all that the
    critic wrote (`work`, its reasoning included) no equation has it as its value. Of steps, only their numbers are left
    out of the search; an answer that is no number must stand there letter by letter.
    """
    answer = _plain(reference)
    if not answer or any(_mentions(_plain(text), answer) for text in (question, response)):
        return False
    worked = _plain(work)
    is_worked_out = any(
        _WORKED_OUT.search(worked, max(0, place - _EQUATION_END), place) for place in _mentions(worked, answer)
    )
    return bool(_mentions(_plain(critique), answer)) and not is_worked_out


def _mentions(text: str, answer: str) -> list[int]:
    """Give the places of an answer in a text; `13` is not in `130`, `1.13` or `-13`."""
    return [found.start() for found in re.finditer(rf"(?<![\w.\-]){re.escape(answer)}(?!\w|[.,]\d)", text)]


def _plain(text: str) -> str:
    """Give a text without the numbers of steps and the commas of thousands."""
    return _THOUSANDS.sub("", _STEP_NUMBER.sub("", text)).strip()
