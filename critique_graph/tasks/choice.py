"""Multiple choice: an answer is a letter from A to J.

The options stand in the question, or in a field `options` or `choices` of the row: a list of texts, a mapping from
letters to texts, or ARC's mapping with `text` and `label`. The reference is a letter, a label, the text of an option,
or its 0-based number.
"""

import re
from collections.abc import Mapping

from critique_graph.core.schema import Grade
from critique_graph.grading.extract import extract_answer
from critique_graph.grading.functions import FunctionGrader, Judged, plain_text
from critique_graph.tasks.task import Fields, Task, prompts_ending_in

LETTERS = "ABCDEFGHIJ"
FIELDS = ("options", "choices")

_WORD = r"\W*+(?:(?:option|choice)\W++)?"
_ALONE = re.compile(rf"{_WORD}(?P<letter>[A-J])\W*+", re.IGNORECASE)
_BEGINS = re.compile(rf"{_WORD}(?P<letter>(?-i:[A-J]))(?![A-Z0-9])(?P<rest>.*)", re.DOTALL | re.IGNORECASE)
_LISTED = re.compile(r"\W*+[A-J]\s?[).:]")
_MARKUP = re.compile(r"\\(?:text|textbf|mathrm|mathbf)\s?(?=\{)")
_ANOTHER = re.compile(r"(?:,|/|&|\band\b|\bor\b)\W*+[A-J](?![A-Za-z0-9'\u2019])")
_WORDS = re.compile(r"[AI]\s")
"""`A` and `I` as words of a sentence."""


def read_letter(text: str) -> str | None:
    """Give the letter that a response answers with; None if it gives none, or several.

    It is where `extract_answer` finds an answer: `The answer is (B).`, `**Answer:** C`, a box; else the last line, if
    it is a letter alone, or the only line, if it begins with `B.` or `(B)`.
    """
    found = extract_answer(text)
    if found is not None:
        return _letter(found)
    lines = text.strip().splitlines()
    if len(lines) == 1 and _LISTED.match(lines[0]):
        return _letter(lines[0])
    alone = _ALONE.fullmatch(lines[-1]) if lines else None
    return alone["letter"].upper() if alone and (alone["letter"].isupper() or len(lines) == 1) else None


def with_options(question: str, fields: Fields) -> str:
    """Give a question followed by its options, a line each: `A. Sydney`.

    Raises:
        ValueError: The options are no list, there are fewer than two or more than ten, or one is no text.
    """
    options = [f"{letter}. {text}" for letter, text in zip(LETTERS, read_options(fields), strict=False)]
    return "\n".join([question, "", *options]) if options else question


def read_options(fields: Fields) -> list[str]:
    """Give the options of a row; none if the row has no field for them.

    Raises:
        ValueError: They cannot be used.
    """
    name, given = _field(fields)
    if given is None or given == "":
        return []
    if isinstance(given, Mapping) and "text" in given:
        given = given["text"]
    elif isinstance(given, Mapping):
        if [str(letter).strip().upper() for letter in given] != list(LETTERS[: len(given)]):
            raise ValueError(f"the keys of {name!r} must be the letters A, B, ..., got {', '.join(map(str, given))}")
        given = list(given.values())
    if not isinstance(given, list | tuple) or not 2 <= len(given) <= len(LETTERS):
        raise ValueError(f"{name!r} must be a list of two to ten options, got {str(given)[:80]!r}")
    for option in given:
        if isinstance(option, bool) or not isinstance(option, str | int | float) or not str(option).strip():
            raise ValueError(f"every option in {name!r} must be a text or a number, got {str(option)[:80]!r}")
    return [str(option).strip() for option in given]


def read_reference(text: str, fields: Fields) -> str | None:
    """Give the letter of a reference.

    Raises:
        ValueError: It names no option, or more than one.
    """
    options, said = read_options(fields), text.strip()
    if not said:
        return None
    alone = _ALONE.fullmatch(said)
    known = LETTERS[: len(options)] if options else LETTERS
    found = {letter for letter, option in zip(LETTERS, options, strict=False) if plain_text(option) == plain_text(said)}
    if said in (labels := _labels(fields)):
        found = {LETTERS[labels.index(said)]}
    elif alone and alone["letter"].upper() in known:
        found.add(alone["letter"].upper())
    elif said.isdecimal() and int(said) < len(options):
        found.add(LETTERS[int(said)])
    if len(found) == 1:
        return found.pop()
    what = f"may be {' or '.join(sorted(found))}" if found else f"is no letter from A to {known[-1]} and no option"
    raise ValueError(f"the reference {said[:80]!r} {what}; write the letter of the option")


def _field(fields: Fields) -> tuple[str, object]:
    return next(((name, value) for name, value in fields.items() if name.casefold() in FIELDS), ("options", None))


def _labels(fields: Fields) -> list[str]:
    given = _field(fields)[1]
    labels = given.get("label") if isinstance(given, Mapping) else None
    return [str(label) for label in labels] if isinstance(labels, list | tuple) else []


def _letter(found: str) -> str | None:
    found = _MARKUP.sub("", found)
    if alone := _ALONE.fullmatch(found):
        return alone["letter"].upper()
    begins = _BEGINS.match(found)
    if begins is None or _ANOTHER.search(begins["rest"]) or _WORDS.match(found):
        return None
    return begins["letter"]


def _is_correct(answer: str, reference: str) -> Judged:
    expected = _ALONE.fullmatch(reference)
    if expected is None:
        return Grade(outcome="ungraded", reason="unreadable_reference")
    return answer == expected["letter"].upper()


CHOICE = Task(
    name="choice",
    grader=FunctionGrader(read=read_letter, is_correct=_is_correct),
    prompts=prompts_ending_in("The answer is (LETTER)."),
    question=with_options,
    reference=read_reference,
    answer_begins="The answer is (",
)
"""Multiple choice."""
