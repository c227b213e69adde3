r"""Find the equations in a text and evaluate their sides, exactly: `12 + 5 = 17`, `$3 \times \frac{1}{2} = 1.5$`.

A side is read as arithmetic if nothing else stands in it but units and currencies: `3 apples * $2 = $6`. Of a chain
`a = b = c`, every two neighbours are an equation. What cannot be read (variables, functions) makes no equation.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from math import comb, factorial, isqrt
from typing import Literal, cast
from zlib import crc32

_Kind = Literal["skip", "end", "number", "function", "operator", "equals", "unit", "name", "open", "close", "stop"]

_PATTERNS: dict[_Kind, str] = {
    # Space and markup. A line break is space only before a sign `=` or after one.
    "skip": r"(?:[\s&]|\\\\(?:\[\w{1,8}\])?)+(?==)|(?<==)\s+|[^\S\n]+|\\[,;:! ()\[\]$]|&|\*\*|__|[$€£]"
    r"|<<[^<>\n]{0,80}>>|\\(?:left|right|displaystyle|boxed|q?quad)(?![A-Za-z])",
    # What separates formulas: an equation may begin after it and end before it.
    "end": r"(?m:^[-*•]\s)|[\n.,;:?\"`→⇒∴]|!(?! ?[=+*/\\)}-])|(?<![A-Za-z])['\u2019]|\\\\"
    r"|\\(?:begin|end)\{[A-Za-z]{1,12}\*?\}"
    r"|[<>≤≥≈]|\\(?:implies|Rightarrow|Longrightarrow|therefore|[lc]?dots|leq?|geq?|approx|neq?|equiv)(?![A-Za-z])",
    "number": r"(?:\d{1,3}(?:(?:,|\{,\}|,\\!)\d{3})+(?!\d)|\d{1,12}(?!\d))(?:\.\d{1,9}(?!\d))?(?: ?\\?%)?"
    r"|\.\d{1,9}(?!\d)",
    "function": r"\\[dt]?frac(?![A-Za-z])|\\sqrt(?![A-Za-z\[])|\\[dt]?binom(?![A-Za-z])",
    "operator": r"\\(?:times|cdot|div)(?![A-Za-z])|(?<= )x(?= [\d$(])|(?<=\d)x(?=\d)|\bof(?= \$?\d)"
    r"|(?<=\d)!(?= ?[=+*/\\)}-])|[+*\u00d7\u00f7·²³\u2212\u2013-]|\^(?!\{?\\circ)"
    r"|/(?! ?[A-Za-z]{2}| ?\\(?:text|mathrm))",
    "equals": r"(?<![=<>!])=(?![=>])",
    # A unit, or a remark in brackets.
    "unit": r"/? ?\\(?:text|mathrm|textbf|mbox)\{[^{}\d]{0,60}\}|\((?=[A-Za-z]{2})[^()\n]{0,80}\)"
    r"|(?<= )\(\$?\d[\d.,]* [A-Za-z]{2}[^()\n=+*/\u00d7-]{0,60}\)"
    r"|/ ?[A-Za-z]{2,}"
    r"|(?:a(?= [A-Za-z]{2})|[A-Za-z]['\u2019A-Za-z]+)(?:[ /-](?!x [\d$(])(?:[A-Za-z'\u2019]{2,}|a|I)\b)*"
    r"|\\degree|\^\{?\\circ\}?|°",
    "name": r"[A-Za-z](?![A-Za-z'\u2019])|\\(?:pi|alpha|beta|gamma|theta|phi|lambda|omega)(?![A-Za-z])",
    "open": r"[({\[]",
    "close": r"[)}\]]",
    "stop": r"[\s\S]",
}
_TOKEN = re.compile("|".join(f"(?P<{kind}>{pattern})" for kind, pattern in _PATTERNS.items()))
_NOT_BEFORE = re.compile(r"\b(?:plus|minus|times|by|over|log|sin|cos|tan|gcd|lcm|mod|sqrt|root)\Z", re.IGNORECASE)
_MULTIPLY = frozenset({"*", "x", "\u00d7", "·", r"\times", r"\cdot", "of"})
_DIVIDE = frozenset({"/", "\u00f7", r"\div"})
_MINUS = frozenset("-\u2212\u2013")
_MAX_BITS, _MAX_WHOLE, _MAX_TOKENS = 256, 20, 120


@dataclass(frozen=True)
class Token:
    """A piece of a text, with its place."""

    kind: _Kind
    text: str
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)

    @property
    def number(self) -> Fraction:
        """The value of a number as it is written; a percent sign does not count."""
        return Fraction(re.sub(r"[^\d.]", "", self.text))

    @property
    def places(self) -> int:
        """Number of decimal places."""
        return len(re.sub(r"[^\d.]", "", self.text).partition(".")[2])

    def with_number(self, number: Fraction, places: int = 0) -> "Token | None":
        """Give the token with another number in the same spelling; None if it needs more decimal places than that."""
        places = max(places, self.places)
        if number < 0 or number * 10**places % 1:
            return None
        places = self.places if not number * 10**self.places % 1 else places
        comma = next((comma for comma in ("{,}", ",\\!", ",") if comma in self.text), "")
        whole, part = divmod(int(number * 10**places), 10**places)
        written = f"{whole:,}".replace(",", comma) + (f".{part:0{places}}" if places else "")
        return replace(self, text=re.sub(r"\d[\d.,{}\\!]*\d|\d|\.\d+", lambda _: written, self.text, count=1))


@dataclass(frozen=True)
class Equation:
    """Two neighbouring sides of an equation in a text."""

    left: tuple[Token, ...]
    right: tuple[Token, ...]

    @property
    def start(self) -> int:
        return self.left[0].start

    @property
    def end(self) -> int:
        return self.right[-1].end

    @property
    def result(self) -> Token | None:
        """The right side if it is one number."""
        numbers = [token for token in self.right if token.kind not in ("open", "close")]
        return numbers[0] if len(numbers) == 1 and numbers[0].kind == "number" else None

    @property
    def is_true(self) -> bool:
        """Whether both sides can be evaluated and are equal."""
        return all(self._holds(draw) for draw in (1, 2))

    def _holds(self, draw: int) -> bool:
        left, right = value(self.left, draw), value(self.right, draw)
        if left is None or right is None:
            return False
        is_share = self.result is not None and "%" in self.result.text and not any("%" in t.text for t in self.left)
        return left == right or (is_share and left == right * 100)  # 1 / 4 * 100 = 25%


def numbers_in(text: str) -> list[Token]:
    """Give the numbers of a text."""
    return [token for token in _tokens(text) if token.kind == "number"]


def _tokens(text: str) -> list[Token]:
    tokens = (Token(cast(_Kind, match.lastgroup), match[0], match.start()) for match in _TOKEN.finditer(text))
    return [token for token in tokens if token.kind != "skip"]


@lru_cache(maxsize=256)  # a step is looked at for every attempt and every type of error
def find_equations(text: str) -> tuple[Equation, ...]:
    """Give the equations of a text that have an operator on one side or both, in order; false ones, too."""
    found: list[Equation] = []
    tokens = _tokens(text)
    signs = [place for place, token in enumerate(tokens) if token.kind == "equals"]
    for place in signs:
        left, right = _side_before(tokens, place), _side_after(tokens, place)
        if left and right and any(token.kind in ("operator", "function") for token in (*left, *right)):
            found.append(Equation(left, right))
    return tuple(found)


def _side_before(tokens: Sequence[Token], place: int) -> tuple[Token, ...]:
    """Give the longest side that ends at a sign `=`."""
    begin = place
    while begin and tokens[begin - 1].kind not in ("end", "stop", "equals") and place - begin < _MAX_TOKENS:
        begin -= 1
    for start in range(begin, place):
        before = tokens[start - 1] if start else None
        is_first = before is None or before.kind in ("end", "equals")
        if tokens[start].kind in ("unit", "close") or not (is_first or _ends_words(before, *tokens[start : start + 2])):
            continue
        if value(side := tuple(tokens[start:place])) is not None:
            return side
    return ()


def _ends_words(before: Token | None, token: Token, after: Token) -> bool:
    """Tell whether an expression may begin with `token`, after words: `apples - 3` is none, `are -3` is one."""
    return (
        before is not None
        and before.kind == "unit"
        and (token.kind != "operator" or (token.text in _MINUS and token.end == after.start))
        and before.end < token.start
        and not _NOT_BEFORE.search(before.text)
    )


def _side_after(tokens: Sequence[Token], place: int) -> tuple[Token, ...]:
    """Give the longest side that begins after a sign `=`."""
    end = place + 1
    while end < len(tokens) and tokens[end].kind not in ("end", "stop", "equals") and end - place < _MAX_TOKENS:
        end += 1
    is_cut = end < len(tokens) and tokens[end].kind == "stop"
    for stop in range(end, place + 1, -1):
        if tokens[stop - 1].kind == "unit" or (stop == end and is_cut):
            continue
        if stop < end and tokens[stop].kind != "unit":
            continue
        if value(side := tuple(tokens[place + 1 : stop])) is not None:
            return side
    return ()


@lru_cache(maxsize=4096)
def value(side: tuple[Token, ...], draw: int = 1) -> Fraction | None:
    """Evaluate a side exactly; None if it cannot be read, or is too large.

    Variables, and roots that are not rational, have drawn values: two sides are the same for every value of them if
    they are equal in two draws.
    """
    reader = _Reader(side, draw)
    try:
        found = reader.sum()
    except (_UnreadableError, ZeroDivisionError, IndexError, RecursionError):
        return None
    return found if reader.place == len(side) else None


class _UnreadableError(Exception):
    """Raised where a side is no arithmetic."""


class _Reader:
    """Reads tokens by recursive descent."""

    def __init__(self, tokens: Sequence[Token], draw: int) -> None:
        self._tokens, self._draw = tokens, draw
        self.place = 0

    def sum(self) -> Fraction:
        total = self._product()
        while (sign := self._next()) == "+" or sign in _MINUS:
            self.place += 1
            total += self._product() * (1 if sign == "+" else -1)
        return total

    def _product(self) -> Fraction:
        if self._next() in _MINUS:
            self.place += 1
            return -self._product()
        total = self._power()
        while True:
            sign = self._next()
            if sign in _MULTIPLY:
                self.place += 1
                total *= self._power()
            elif sign in _DIVIDE:
                self.place += 1
                total /= self._power()
            elif self._kind() in ("open", "function", "name"):  # 2(3 + 4), 2x
                total *= self._power()
            else:
                return _bounded(total)

    def _power(self) -> Fraction:
        base = self._primary()
        sign = self._next()
        if sign == "!":
            self.place += 1
            return Fraction(factorial(self._whole(base)))
        if sign in ("²", "³"):
            self.place += 1
            return base ** (2 if sign == "²" else 3)
        if sign != "^":
            return base
        self.place += 1
        exponent = self._primary()
        power = base ** self._whole(abs(exponent))
        return _bounded(power if exponent >= 0 else 1 / power)

    def _whole(self, number: Fraction) -> int:
        if number.denominator != 1 or not 0 <= number <= _MAX_WHOLE:
            raise _UnreadableError
        return int(number)

    def _primary(self) -> Fraction:
        token = self._tokens[self.place]
        if token.kind == "operator" and token.text in _MINUS:
            self.place += 1
            return -self._primary()
        self.place += 1
        match token.kind:
            case "number":
                found = token.number / 100 if "%" in token.text else token.number
                if self._next() in (r"\frac", r"\dfrac", r"\tfrac") and not token.places:  # 2\frac{1}{2}
                    self.place += 1
                    found += self._fraction()
            case "open":
                found = self._group(token)
            case "name":
                found = self._drawn(token.text)
            case "function" if token.text == r"\sqrt":
                found = self._root()
            case "function" if token.text.endswith("binom"):
                found = Fraction(comb(self._whole(self._argument()), self._whole(self._argument())))
            case "function":
                found = self._fraction()
            case _:
                raise _UnreadableError
        while self._kind() == "unit":
            self.place += 1
        return found

    def _group(self, opening: Token) -> Fraction:
        found = self.sum()
        if self._next() != {"(": ")", "[": "]", "{": "}"}[opening.text]:
            raise _UnreadableError
        self.place += 1
        return found

    def _fraction(self) -> Fraction:
        token = self._tokens[self.place]
        if token.kind == "number" and len(token.text) == 2 and token.text.isdigit():  # \frac12
            self.place += 1
            return Fraction(int(token.text[0]), int(token.text[1]))
        return self._argument() / self._argument()

    def _argument(self) -> Fraction:
        token = self._tokens[self.place]
        self.place += 1
        if token.text != "{":
            raise _UnreadableError
        return self._group(token)

    def _root(self) -> Fraction:
        square = self._argument()
        if square < 0:
            raise _UnreadableError
        root = Fraction(isqrt(square.numerator), isqrt(square.denominator))
        return root if root * root == square else self._drawn(str(square))

    def _drawn(self, name: str) -> Fraction:
        return Fraction(crc32(f"{self._draw}/{name}".encode()) % 9973 + 11, 7)

    def _next(self) -> str:
        """Give the text of the next token; empty after the last one, and for a variable, which may be called x."""
        return "" if self._kind() in ("", "name") else self._tokens[self.place].text

    def _kind(self) -> str:
        return self._tokens[self.place].kind if self.place < len(self._tokens) else ""


def _bounded(number: Fraction) -> Fraction:
    if max(number.numerator.bit_length(), number.denominator.bit_length()) > _MAX_BITS:
        raise _UnreadableError
    return number
