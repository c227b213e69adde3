"""Units, currencies and other words behind a number: they are dropped, unless they contradict each other."""

import re
from functools import lru_cache
from typing import NamedTuple

CURRENCIES = {
    "€": "euro",
    "£": "pound",
    "¥": "yen",
    "₹": "rupee",
    "₩": "won",
    "₽": "ruble",
    "₺": "lira",
    "₫": "dong",
    "¢": "cent",
}
CURRENCY_CODES = {"Rs.": "rupee", "Rs": "rupee", "INR": "rupee", "USD": "dollar", "US": "dollar", "EUR": "euro"} | {
    "GBP": "pound",
    "CNY": "yuan",
    "RMB": "yuan",
}
_SYNONYMS = {
    name: unit
    for unit, names in {
        "dollar": "usd buck dollars",
        "cent": "cents",
        "m": "meter metre meters metres",
        "cm": "centimeter centimetre centimeters centimetres",
        "mm": "millimeter millimetre millimeters millimetres",
        "km": "kilometer kilometre kilometers kilometres",
        "in": "inch inches",
        "ft": "foot feet",
        "yd": "yard yards",
        "mi": "mile miles",
        "g": "gram grams",
        "kg": "kilogram kilograms",
        "lb": "pound pounds lbs",
        "oz": "ounce ounces",
        "l": "liter litre liters litres",
        "ml": "milliliter millilitre milliliters millilitres",
        "s": "second seconds sec secs",
        "min": "minute minutes mins",
        "h": "hour hours hr hrs",
        "day": "days",
        "pm": "p.m",
        "am": "a.m",
    }.items()
    for name in names.split()
}
_HALVES_OF_THE_DAY = frozenset({"am", "pm"})
_FILLERS = frozenset({"of", "the", "a", "an", "in", "total", "per", "each", "every"})
_ONE = (
    r"(?:[cmkn]?m|in|ft|yd|mi|[mk]?g|lbs?|oz|[mkc]?[lL]|m?s|secs?|mins?|h|hrs?|k?Hz|[kM]?N"
    r"|[kM]?J|k?W|k?V|m?A|K|[kM]?Pa|mol"
    r"|mph|kph|USD|EUR|[ap]\.?m\.?)(?:\^?(?:\{-?\d\}|-?\d)|²|³)?"
)
_COMPOUND = rf"{_ONE}(?:(?: ?/ ?| per | ?\\cdot ?){_ONE})*"
_WORDS = (
    rf"(?:of (?:an?|the) )?(?:{_ONE} [A-Za-z.]+|[A-Za-z][A-Za-z.]{{2,}})"
    r"(?:[ /-][A-Za-z.]+){0,5}(?:\^(?:\d|\{\d\}))?"
)
_TAIL = re.compile(
    rf"(?P<value>.*[\d)}}\]])(?: ?(?P<tight>{_COMPOUND})| (?P<words>{_WORDS})| ?(?P<cjk>[\u4e00-\u9fff]{{1,8}}))"
)
_LETTER = re.compile(r"(?<![\\A-Za-z])[A-Za-z]")
_NOT_UNITS = re.compile(
    r"\b(?:sin|cos|tan|cot|sec|csc|log|exp|mod|and|or|to|than|less|more|minus|plus|times|over|choose|factorial|at|least"
    r"|most|between|not|squared|cubed|dozen|hundred|thousand|[mbtr]+illion|half|halves|thirds?|quarters?|below|above)\b",
    re.IGNORECASE,
)


class Measured(NamedTuple):
    """A value and the words behind it."""

    value: str
    unit: frozenset[str]


@lru_cache(maxsize=1_024)
def split_unit(text: str) -> Measured:
    """Split a normalised answer into its value and its unit; without a unit, the value is the whole text."""
    tail = _TAIL.fullmatch(text)
    if tail is None or _LETTER.search(tail["value"]):
        return Measured(text, frozenset())
    tight, words = tail["tight"], tail["words"] or tail["cjk"]
    if tight is not None and len(tight) == 1 and not text.endswith(f" {tight}"):
        return Measured(text, frozenset())  # 5m is a product, 5 m is a length
    unit = tight or words
    if _NOT_UNITS.search(unit):
        return Measured(text, frozenset())
    return Measured(tail["value"], unit_of(unit))


def unit_of(words: str) -> frozenset[str]:
    """Give the words of a unit in one form each: `kilometers per hour` and `km/h` have the same."""
    found = set()
    for word in re.split(r"[^\w.^{}\u4e00-\u9fff-]+", words.replace(r"\cdot", " ")):
        bare = word.strip(".").casefold()
        if bare and bare not in _FILLERS:
            found.add(_SYNONYMS.get(bare) or (bare.removesuffix("s") if len(bare) > 3 else bare))
    return frozenset(found)


def contradict(a: frozenset[str], b: frozenset[str]) -> bool:
    """Whether two units may mean different things: `5 pm` and `5 am`, `5 cm` and `5 m`.

    A missing unit fits any other, but a time without its half of the day may be either.
    """
    return not (a <= b or b <= a) or a & _HALVES_OF_THE_DAY != b & _HALVES_OF_THE_DAY
