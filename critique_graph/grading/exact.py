"""Compare answers that are numbers, formulas with roots, or lists of them, exactly: no floating point.

This decides most answers in microseconds. math-verify compares the rest, including single elements of lists.
"""

import re
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache

from critique_graph.grading.normalise import normalise
from critique_graph.grading.numbers import (
    ExactNumber,
    are_equal,
    is_decimal_comma,
    parse_decimal,
    parse_fraction,
    parse_multiplied,
    parse_number,
    with_comma,
)
from critique_graph.grading.polynomials import compare_polynomials
from critique_graph.grading.units import contradict, split_unit

_RATIO = re.compile(r"\d{1,9}(?:\.\d{1,9})?(?::\d{1,9}(?:\.\d{1,9})?){1,3}", re.ASCII)
_TIME = re.compile(r"(?:[01]?\d|2[0-4]):[0-5]\d(?::[0-5]\d)?", re.ASCII)
_NAME = re.compile(
    r"(?:[A-Za-z]|\\[a-z]+)(?:_(?:\w|\{\w{1,8}\}))?'{0,2}(?:\([A-Za-z](?:,[A-Za-z])?\))?"  # x, x_1, \theta, f(x)
    r"|m?\\(?:angle|measuredangle|triangle|overline)\s?\{?[A-Z]{1,4}\}?|[A-Za-z]{4,12}|\([A-Za-z](?:,[A-Za-z])+\)"
    r"|(?=.*[A-Z])(?:\\[a-z]+|[A-Z|:_/{} ])+"  # \angle ABC, area, (x,y), |AB|, \frac{NO}{BO}
)
_SUBSCRIPT = re.compile(r"_(?:\w|\{\w{1,3}\})$")
_RELATION = re.compile(r"[<>]|\\(?:le|ge|leq|geq|lt|gt|ne|neq|in|notin|subset|equiv|sim)(?![A-Za-z])")
_LETTER = re.compile(r"(?<![\\A-Za-z])[A-Za-z]")
_COMMAND = re.compile(r"\\(?:begin|end)\{\w+\}|\\[A-Za-z]+")
_WORD = re.compile(
    r"(?<![A-Za-z])(?:[A-Za-z]?[a-z]{3,}|(?i:is|are|the|and|not|yes|odd|all|of|we|it|to|for|has|six|ten))(?![A-Za-z])"
)
_LONGEST_SET = 12
"""Number of elements of a set that are compared with each other here."""
_UNORDERED = {"", r"\{\}"}
_LIST = re.compile(r"(?P<open>[(\[]|\\\{|)(?P<items>[^()\[\]]+,[^()\[\]]+?)(?P<close>[)\]]|\\\}|)")


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer in normalised spelling, with its parts if it is a number, a ratio, an equation or a list."""

    text: str
    number: ExactNumber | None = None
    name: str | None = None
    """Variable that is set to a value: `x` in `x=5`; empty for a computation, `2+3` in `2+3=5`."""
    value: str | None = None
    """What the variable is set to, or the result of the computation."""
    is_equation: bool = False
    """Whether the answer is an equation that gives no value, such as `x+2y=7`."""
    ratio: tuple[Fraction, ...] = ()
    """Parts of `3:2`, or of a time of day."""
    items: tuple[str, ...] = ()
    """Elements of a list, written in `brackets`."""
    brackets: str = ""
    r"""`()`, `(]`, `\{\}` …; empty for a bare list."""
    unit: frozenset[str] = frozenset()
    """Words of the unit that was dropped."""

    @property
    def is_ordered(self) -> bool:
        return self.brackets not in _UNORDERED


Pairs = tuple[tuple[str, str], ...]
Comparison = bool | Pairs | None
"""Whether two answers are equal; pairs of texts left to math-verify, which are all equal if the answers are; or None:
they may be equal, but nothing can tell."""


@lru_cache(maxsize=1_024)
def parse_answer(answer: str) -> Answer:
    """Read an answer as a number, a ratio, an equation, a list, or otherwise a normalised text."""
    if number := parse_decimal(answer) or parse_fraction(answer):  # most answers need no normalising
        return Answer(answer, number)
    text, unit = normalise(answer)
    if number := parse_multiplied(text):
        return Answer(text, number, unit=unit)
    bare, words = split_unit(text)
    unit |= words
    if number := parse_number(bare):
        return Answer(bare, number, unit=unit)
    if _RATIO.fullmatch(bare):
        return Answer(bare, ratio=tuple(Fraction(part) for part in bare.split(":")), unit=unit)
    if equation := _parse_equation(bare, unit):
        return equation
    return _parse_list(bare, unit) or Answer(bare, unit=unit)


def compare_exactly(a: Answer, b: Answer) -> Comparison:
    """Compare two answers as far as that is exact, in the same way in both orders."""
    if contradict(a.unit, b.unit):
        return None
    if a.text == b.text or (a.text.isalpha() and a.text.casefold() == b.text.casefold()):
        return True
    if a.number and b.number and (not a.name or not b.name or a.name == b.name):
        return are_equal(a.number, b.number)
    if a.ratio and b.ratio:
        return _compare_ratios(a, b)
    if a.ratio or b.ratio:
        return _compare_ratio_with_other(a, b)
    if a.value is not None or b.value is not None or a.is_equation or b.is_equation:
        return _compare_equations(a, b)
    if a.items and b.items:
        return _compare_lists(a, b)
    if a.number and b.items:
        return _compare_number_with_list(a, b)
    if b.number and a.items:
        return _turned(_compare_number_with_list(b, a))
    compared = None if _is_relation(a) or _is_relation(b) else compare_polynomials(a.text, b.text)
    if compared is None and (a.number or b.number) and _is_relation(b if a.number else a):
        return None  # math-verify takes the 2 of x<2 for the answer
    return ((a.text, b.text),) if compared is None else compared


def _turned(compared: Comparison) -> Comparison:
    """Give a comparison of two answers as that of the second with the first."""
    return tuple((y, x) for x, y in compared) if isinstance(compared, tuple) else compared


def is_worded(answer: Answer) -> bool:
    """Whether an answer holds words, which no algebra can compare: a name, a sentence."""
    return answer.number is None and bool(_WORD.search(_COMMAND.sub(" ", answer.text)))


def is_short(answer: Answer) -> bool:
    """Whether an answer in words is a name or a phrase, and no sentence."""
    return len(answer.text.split()) <= 3 and not re.search(r"\d", answer.text)


def _parse_equation(text: str, unit: frozenset[str]) -> Answer | None:
    sides = _split_outside(text, "=")
    if len(sides) < 2 or not all(sides) or text.count("=") > len(sides) - 1:
        return None
    if len(sides) > 2 and len(_split_outside(text, ",")) > 1:
        return None  # x=1,y=2 is a list
    value = sides[-1]
    if _NAME.fullmatch(sides[0]):
        return Answer(text, parse_number(value), name=sides[0], value=value, unit=unit)
    is_computed = all(map(_is_constant, sides)) or (len(sides) > 2 and all(map(_is_constant, sides[-2:])))
    if is_computed:
        return Answer(text, parse_number(value), name="", value=value, unit=unit)
    return Answer(text, is_equation=True, unit=unit)


def _compare_equations(a: Answer, b: Answer) -> Comparison:
    """Compare where at least one is an equation: one that gives a value is the value; another is no side of it."""
    if a.value is not None and b.value is not None:
        if a.name and b.name and a.name != b.name:
            return ((a.text, b.text),)
        return compare_exactly(parse_answer(a.value), parse_answer(b.value))
    for one, other in ((a, b), (b, a)):
        if one.value is not None and not other.is_equation and not _is_relation(other):
            compared = compare_exactly(parse_answer(one.value), other)
            return compared if one is a else _turned(compared)
        if one.is_equation and other.value is None and not other.is_equation and not _is_relation(other):
            return None if any(_may_equal(side, other) for side in _split_outside(one.text, "=")) else False
    return ((a.text, b.text),)


def _may_equal(side: str, other: Answer) -> bool:
    return compare_exactly(parse_answer(side), other) is not False


def _is_constant(side: str) -> bool:
    return not _LETTER.search(side)


def _is_relation(answer: Answer) -> bool:
    return bool(_RELATION.search(answer.text))


def _compare_ratios(a: Answer, b: Answer) -> bool | None:
    """Ratios are equal if they are proportional; two times of day only if they are the same."""
    if len(a.ratio) != len(b.ratio):
        return False
    if a.ratio == b.ratio:
        return True
    is_proportional = all(x * b.ratio[0] == y * a.ratio[0] for x, y in zip(a.ratio, b.ratio, strict=True))
    if is_proportional and _TIME.fullmatch(a.text) and _TIME.fullmatch(b.text):
        return None
    return is_proportional


def _compare_ratio_with_other(a: Answer, b: Answer) -> Comparison:
    ratio, other = (a, b) if a.ratio else (b, a)
    if len(ratio.ratio) == 2 and other.number and ratio.ratio[1]:
        is_equal = are_equal(ExactNumber(ratio.ratio[0] / ratio.ratio[1]), other.number)
        return None if is_equal and _TIME.fullmatch(ratio.text) else is_equal
    return ((a.text, b.text),)


def _compare_number_with_list(number: Answer, listed: Answer) -> Comparison:
    """A list is no number; but `0,5` may be a decimal number, and a bare list may repeat one number."""
    assert number.number is not None
    if is_decimal_comma(listed.text):
        return are_equal(number.number, with_comma(listed.text))
    if not listed.is_ordered and len(_distinct(listed.items)) == 1:
        return compare_exactly(number, parse_answer(listed.items[0]))
    return False if _is_all_numbers(listed) else ((number.text, listed.text),)


def _split_outside(text: str, separator: str) -> list[str]:
    """Split at the separators that stand in no bracket."""
    parts, depth, start = [], 0, 0
    for position, character in enumerate(text):
        if character in "([{":
            depth += 1
        elif character in ")]}":
            depth -= 1
        elif character == separator and depth == 0:
            parts.append(text[start:position].strip())
            start = position + 1
    return [*parts, text[start:].strip()]


def _parse_list(text: str, unit: frozenset[str]) -> Answer | None:
    listed = _LIST.fullmatch(text)
    if listed is None or bool(listed["open"]) != bool(listed["close"]):
        return None
    items = tuple(item.strip() for item in listed["items"].split(","))
    if not all(item and item.count("{") == item.count("}") for item in items):
        return None
    brackets = listed["open"] + listed["close"]
    named = [item.partition("=") for item in items]
    if not brackets and all(equals and value for _, equals, value in named):
        names = {_SUBSCRIPT.sub("", name) for name, _, _ in named}
        if len(names) == 1:  # x=1,x=2 and x_1=1,x_2=2
            return Answer(text, name=names.pop(), value=",".join(value.strip() for _, _, value in named), unit=unit)
    # [1,2] is an interval; a longer one is a tuple in square brackets
    brackets = "()" if brackets == "[]" and len(items) != 2 else brackets
    return Answer(text, items=items, brackets=brackets, unit=unit)


def _distinct(items: tuple[str, ...]) -> tuple[str, ...]:
    """Elements without repetitions of the same number."""
    found: dict[object, str] = {}
    for item in items:
        number = parse_answer(item).number
        found.setdefault(number.value if number else item, item)
    return tuple(found.values())


def _compare_lists(a: Answer, b: Answer) -> Comparison:
    are_decimals = is_decimal_comma(a.text) and is_decimal_comma(b.text)
    if are_decimals and are_equal(with_comma(a.text), with_comma(b.text)):
        return True
    if not (a.is_ordered or b.is_ordered):
        a, b = (replace(one, items=_distinct(one.items)) for one in (a, b))
    is_exact = _is_all_numbers(a) and _is_all_numbers(b)
    if len(a.items) != len(b.items):
        return False if is_exact else ((a.text, b.text),)
    if not (a.is_ordered or b.is_ordered):
        if not is_exact:
            return _compare_as_sets(a, b)
        return _compare_in_order(tuple(sorted(a.items, key=_by_value)), tuple(sorted(b.items, key=_by_value)))
    if a.brackets != b.brackets and {a.brackets, b.brackets} - _UNORDERED != {"()"}:
        return False
    return _compare_in_order(a.items, b.items)


def _compare_as_sets(a: Answer, b: Answer) -> Comparison:
    """Whether each element has an equal one on the other side, where all of them can be compared exactly."""
    if len(a.items) <= _LONGEST_SET:
        table = [[compare_exactly(parse_answer(x), parse_answer(y)) for y in b.items] for x in a.items]
        if all(isinstance(compared, bool) for row in table for compared in row):
            return all(map(any, table)) and all(map(any, zip(*table, strict=True)))
    return ((a.text, b.text),)


def _compare_in_order(a: tuple[str, ...], b: tuple[str, ...]) -> Comparison:
    left: list[tuple[str, str]] = []
    is_doubtful = False
    for x, y in zip(a, b, strict=True):
        compared = compare_exactly(parse_answer(x), parse_answer(y))
        if compared is False:
            return False
        if compared is None:
            is_doubtful = True
        elif compared is not True:
            left += compared
    return None if is_doubtful else tuple(left) or True


def _is_all_numbers(answer: Answer) -> bool:
    return bool(answer.items) and all(parse_answer(item).number for item in answer.items)


def _by_value(item: str) -> Fraction:
    number = parse_answer(item).number
    assert number is not None
    return number.value
