"""Compare answers that are numbers, or lists of numbers, exactly: no floating point, no symbolic algebra.

This decides most answers in microseconds. math-verify compares the rest, including single elements of lists.
"""

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import trunc

from critique_graph.grading.normalise import normalise

_LONGEST_INTEGER = 64
_WHOLE = r"\d{1,3}(?:,\d{3})+|\d{1,3}(?: \d{3})+|\d{0,64}"  # 1234, 1,234 and 1 234
_DECIMAL = re.compile(
    rf"(?P<sign>[-+]?)(?P<whole>{_WHOLE})(?:\.(?P<places>\d{{0,64}}))?"
    r"(?:(?:[eE]|(?:\\times|\\cdot) ?10\^)(?P<exponent>[-+]?\d{1,3}|\{[-+]?\d{1,3}\}))?(?P<percent>%?)",
    re.ASCII,
)
_PART = r"(?:\{(-?\d{1,64})\}|(\d))"
_FRACTION = re.compile(
    r"(?P<sign>[-+]?)(?:(?P<whole>\d{1,64})(?: |(?=\\)))?"
    rf"(?:\\frac ?{_PART} ?{_PART}|(\d{{1,64}})/(\d{{1,64}}))(?P<percent>%?)",
    re.ASCII,
)
_UNIT = re.compile(
    r"(?P<number>[-+\d][^A-Za-z]*?)(?: (?P<words>[A-Za-z][A-Za-z]{2,}(?:[ /-][A-Za-z]+){0,5})"
    r"|(?P<space> ?)(?:[cmk]m|[km]g|m[lL]|lbs?|oz|ft|hrs?|mins?|mph))(?:\^(?:\d|\{\d\}))?"
)
_NOT_UNITS = re.compile(
    r"\b(?:sin|cos|tan|cot|sec|csc|log|exp|mod|and|or|to|than|less|more|minus|plus|times|over|choose|factorial"
    r"|squared|cubed|dozen|hundred|thousand|[mbtr]+illion|half|halves|thirds?|quarters?)\b"
)
_NAMED = re.compile(r"(?P<name>[A-Za-z]|\\[a-z]+)=(?P<value>[^=]+)")
_UNORDERED = {"", r"\{\}"}
_LIST = re.compile(r"(?P<open>[(\[]|\\\{|)(?P<items>[^()\[\]]+,[^()\[\]]+?)(?P<close>[)\]]|\\\}|)")


@dataclass(frozen=True, slots=True)
class ExactNumber:
    """A rational number in the form it was written."""

    value: Fraction
    places: int = 0
    """Number of decimal places written."""
    digits: int = 0
    """Number of significant digits written, if it is a decimal."""
    is_percent: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer in normalised spelling, with its parts if it is a number or a list."""

    text: str
    number: ExactNumber | None = None
    name: str | None = None
    """Variable that is set to the number: `x` in `x=5`."""
    items: tuple[str, ...] = ()
    """Elements of a list, written in `brackets`."""
    brackets: str = ""
    r"""`()`, `(]`, `\{\}` …; empty for a bare list."""

    @property
    def is_ordered(self) -> bool:
        return self.brackets not in _UNORDERED


Pairs = tuple[tuple[str, str], ...]


@lru_cache(maxsize=8_192)
def parse_answer(answer: str) -> Answer:
    """Read an answer as a number, a list, or otherwise a normalised text."""
    if number := _parse_decimal(answer) or _parse_fraction(answer):  # most answers need no normalising
        return Answer(answer, number)
    text = normalise(answer)
    if number := _parse_number(text):
        return Answer(text, number)
    if named := _NAMED.fullmatch(text):
        return Answer(text, _parse_number(named["value"]), name=named["name"])
    listed = _LIST.fullmatch(text)
    if listed and bool(listed["open"]) == bool(listed["close"]):
        items = tuple(item.strip() for item in listed["items"].split(","))
        if all(item and item.count("{") == item.count("}") for item in items):
            brackets = listed["open"] + listed["close"]
            # [1,2] is an interval; a longer one is a tuple in square brackets
            return Answer(text, items=items, brackets="()" if brackets == "[]" and len(items) != 2 else brackets)
    return Answer(text)


def compare_exactly(a: Answer, b: Answer) -> bool | Pairs:
    """Whether two answers are equal, or the pairs of texts left to math-verify: equal if all pairs are. Symmetric."""
    if a.text == b.text or (a.text.isalpha() and a.text.casefold() == b.text.casefold()):
        return True
    if a.number and b.number and (a.name is None or b.name is None or a.name == b.name):
        return _are_equal(a.number, b.number)
    if a.items and b.items:
        return _compare_lists(a, b)
    if (a.number and _is_all_numbers(b)) or (b.number and _is_all_numbers(a)):
        return False
    return ((a.text, b.text),)


def _compare_lists(a: Answer, b: Answer) -> bool | Pairs:
    is_exact = _is_all_numbers(a) and _is_all_numbers(b)
    if len(a.items) != len(b.items):
        return False if is_exact else ((a.text, b.text),)
    if not (a.is_ordered or b.is_ordered):
        if not is_exact:
            return ((a.text, b.text),)
        return _compare_in_order(tuple(sorted(a.items, key=_by_value)), tuple(sorted(b.items, key=_by_value)))
    if a.brackets != b.brackets and {a.brackets, b.brackets} - _UNORDERED != {"()"}:
        return False
    return _compare_in_order(a.items, b.items)


def _compare_in_order(a: tuple[str, ...], b: tuple[str, ...]) -> bool | Pairs:
    left: list[tuple[str, str]] = []
    for x, y in zip(a, b, strict=True):
        compared = compare_exactly(parse_answer(x), parse_answer(y))
        if compared is False:
            return False
        if compared is not True:
            left += compared
    return tuple(left) or True


def _is_all_numbers(answer: Answer) -> bool:
    return bool(answer.items) and all(parse_answer(item).number for item in answer.items)


def _by_value(item: str) -> Fraction:
    number = parse_answer(item).number
    assert number is not None
    return number.value


def _parse_number(text: str) -> ExactNumber | None:
    if number := _parse_decimal(text) or _parse_fraction(text):
        return number
    unit = _UNIT.fullmatch(text)
    if unit is None or _NOT_UNITS.search(unit["words"] or ""):
        return None
    return _parse_decimal(unit["number"]) or _parse_fraction(unit["number"])


def _parse_decimal(text: str) -> ExactNumber | None:
    if text.isascii() and text.isdecimal() and len(text) <= _LONGEST_INTEGER:
        return ExactNumber(Fraction(int(text)))
    match = _DECIMAL.fullmatch(text)
    if match is None:
        return None
    whole = match["whole"].replace(",", "").replace(" ", "")
    places = match["places"] or ""
    if not whole + places:
        return None
    exponent = int((match["exponent"] or "0").strip("{}"))
    units, scale = int(f"{match['sign']}{whole}{places}"), exponent - len(places)
    value = Fraction(units * 10**scale) if scale >= 0 else Fraction(units, 10**-scale)
    if match["places"] is None and exponent >= 0:
        return ExactNumber(value, is_percent=bool(match["percent"]))
    digits = len((whole + places).lstrip("0"))
    return ExactNumber(value, len(places) - exponent, digits, bool(match["percent"]))


def _parse_fraction(text: str) -> ExactNumber | None:
    match = _FRACTION.fullmatch(text)
    if match is None:
        return None
    over, under = (int(part) for part in match.groups()[2:8] if part is not None)
    if under == 0:
        return None
    value = int(match["whole"] or 0) + Fraction(over, under)
    return ExactNumber(-value if match["sign"] == "-" else value, is_percent=bool(match["percent"]))


def _are_equal(a: ExactNumber, b: ExactNumber) -> bool:
    """Equal values; a percentage also equals its number (50% = 50) and its hundredth (50% = 0.5)."""
    if _are_close(a, b):
        return True
    if a.is_percent == b.is_percent:
        return False
    return _are_close(_hundredth(a), b) if a.is_percent else _are_close(a, _hundredth(b))


def _hundredth(number: ExactNumber) -> ExactNumber:
    return ExactNumber(number.value / 100, number.places + 2, number.digits)


def _are_close(a: ExactNumber, b: ExactNumber) -> bool:
    """Equal, or one is the other rounded or cut (to at least 6 places and 4 digits), or they differ by float noise."""
    if a.value == b.value:
        return True
    if not (a.digits or b.digits):
        return False
    if _is_shortened(a, b.value) or _is_shortened(b, a.value):
        return True
    if max(a.digits, b.digits) < 15:
        return False
    return abs(a.value - b.value) <= max(abs(a.value), abs(b.value)) / 10**12


def _is_shortened(number: ExactNumber, value: Fraction) -> bool:
    """Whether `number` is `value` rounded or cut to the number of places it is written with."""
    if number.places < 6 or number.digits < 4:
        return False
    last_place = 10**number.places
    units, exact = number.value * last_place, value * last_place
    return bool(abs(units - exact) <= Fraction(1, 2)) or units == trunc(exact)
