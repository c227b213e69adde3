"""Read numbers in the forms in which people and models write them, and compare them exactly."""

import re
from dataclasses import dataclass
from fractions import Fraction
from math import trunc

_LONGEST_INTEGER = 64
_WHOLE = r"[1-9]\d{0,2}(?:,\d{3})+|\d{1,3}(?: \d{3})+|\d{0,64}"  # 1234, 1,234 and 1 234
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
_MULTIPLIED = re.compile(
    r"(?P<number>.*\d|[a-z]{1,8}) (?P<by>hundred|thousand|[mbtr]{1,2}illion|dozen)s?(?: (?:of )?[A-Za-z ]{1,40})?"
)
_MULTIPLIERS = {"hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12, "dozen": 12}
_NUMBER_WORDS = dict(
    zip(
        ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
        range(13),
        strict=True,
    )
)
_DECIMAL_COMMA = re.compile(r"[-+]?(?:\d{1,64}|\d{1,3}(?:[. ]\d{3})+),\d{1,64}", re.ASCII)
_POINTS_FOR_THOUSANDS = re.compile(r"[-+]?\d{1,3}(?:\.\d{3}){2,}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ExactNumber:
    """A rational number in the form it was written."""

    value: Fraction
    places: int = 0
    """Number of decimal places written."""
    digits: int = 0
    """Number of significant digits written, if it is a decimal."""
    is_percent: bool = False


def parse_number(text: str) -> ExactNumber | None:
    """Read a number in normalised spelling, where a comma does not separate thousands any more."""
    if "," in text:
        is_european = "." in text or " " in text
        return with_comma(text) if is_european and _DECIMAL_COMMA.fullmatch(text) else None
    if _POINTS_FOR_THOUSANDS.fullmatch(text):
        return ExactNumber(Fraction(text.replace(".", "")))
    if (word := _NUMBER_WORDS.get(text.casefold())) is not None:
        return ExactNumber(Fraction(word))
    return parse_decimal(text) or parse_fraction(text)


def parse_multiplied(text: str) -> ExactNumber | None:
    """Read `1.5 million` and `3 dozen eggs`."""
    found = _MULTIPLIED.fullmatch(text)
    number = found and parse_number(found["number"])
    if not found or not number or found["by"] not in _MULTIPLIERS:
        return None
    return ExactNumber(number.value * _MULTIPLIERS[found["by"]])


def parse_decimal(text: str) -> ExactNumber | None:
    """Read an integer or a decimal number, also with an exponent or a percent sign."""
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


def parse_fraction(text: str) -> ExactNumber | None:
    """Read a fraction or a mixed number."""
    match = _FRACTION.fullmatch(text)
    if match is None:
        return None
    over, under = (int(part) for part in match.groups()[2:8] if part is not None)
    if under == 0:
        return None
    value = int(match["whole"] or 0) + Fraction(over, under)
    return ExactNumber(-value if match["sign"] == "-" else value, is_percent=bool(match["percent"]))


def are_equal(a: ExactNumber, b: ExactNumber) -> bool:
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


def with_comma(text: str) -> ExactNumber:
    """Read a number with a decimal comma: `1.234,56`."""
    number = parse_decimal(text.replace(".", "").replace(" ", "").replace(",", "."))
    assert number is not None
    return number


def is_decimal_comma(text: str) -> bool:
    """Whether a list `0,5` may also be a number with a decimal comma."""
    return bool(_DECIMAL_COMMA.fullmatch(text))
