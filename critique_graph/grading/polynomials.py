r"""Compare formulas that are polynomials in variables, square roots and `\pi`, exactly and without symbolic algebra.

A formula becomes a sum of monomials with rational coefficients. Square roots of square-free integers and the monomials
of variables are linearly independent over the rational numbers, so two formulas are equal if and only if their sums
are. A formula that holds anything else is not read, and math-verify compares it.
"""

import re
from collections.abc import Iterator, Mapping
from fractions import Fraction
from functools import lru_cache
from math import gcd

Monomial = tuple[int, tuple[tuple[str, int], ...]]
"""A square-free integer under a root, and the powers of the variables, sorted by name."""
Polynomial = Mapping[Monomial, Fraction]

_MAX_CHARS, _MAX_TERMS, _MAX_POWER, _MAX_BITS, _MAX_ROOT = 200, 100, 12, 512, 10**8
_ONE: Monomial = (1, ())
_TOKEN = re.compile(
    r"\\(?:frac|sqrt|cdot|times|pi|left|right)(?![A-Za-z])|\d{1,60}(?:\.\d{1,60})?|[A-Za-z]|[-+*/^(){}]| "
)
_FUNCTION_LETTERS = frozenset("fghFGHP")
"""Letters that name a function where a bracket follows."""
_AMBIGUOUS = frozenset("ie")
"""Letters that may be numbers: with them, two different sums may still be equal."""


class _UnreadableError(Exception):
    """The formula holds something other than a polynomial, or is too large."""


def compare_polynomials(a: str, b: str) -> bool | None:
    """Whether two formulas in LaTeX are equal; None if one cannot be read or they may be equal all the same."""
    first, second = _read(a), _read(b)
    if first is None or second is None:
        return None
    if first == second:
        return True
    is_rounded = "." in a or "." in b  # math-verify decides whether 1.414214 is close enough
    names = {name for _, powers in (*first, *second) for name, _ in powers}
    return None if is_rounded or names & _AMBIGUOUS else False


@lru_cache(maxsize=1_024)
def _read(formula: str) -> Polynomial | None:
    if len(formula) > _MAX_CHARS:
        return None
    try:
        reader = _Reader(formula)
        found = reader.sum()
        return found if reader.is_at_end else None
    except (_UnreadableError, ZeroDivisionError):
        return None


class _Reader:
    """Reads one formula by recursive descent; the grader has limited the depth of its brackets."""

    def __init__(self, formula: str) -> None:
        self._tokens = list(_tokens(formula))
        self._next = 0

    @property
    def is_at_end(self) -> bool:
        return self._next == len(self._tokens)

    def sum(self) -> Polynomial:
        """Read terms that are added and subtracted."""
        total: dict[Monomial, Fraction] = {}
        sign = -1 if self._take("-") else 1
        if sign == 1:
            self._take("+")
        while True:
            for monomial, coefficient in self._product().items():
                total[monomial] = total.get(monomial, Fraction(0)) + sign * coefficient
            if self._take("+"):
                sign = 1
            elif self._take("-"):
                sign = -1
            else:
                return _checked(total)

    def _product(self) -> Polynomial:
        product, was_number = self._power()
        while not self.is_at_end:
            if self._take("*"):
                factor, was_number = self._power()
            elif self._take("/"):
                divisor, was_number = self._power()
                factor = _inverse(divisor)
                if not self.is_at_end and self._tokens[self._next] not in "+-*/)}":
                    raise _UnreadableError  # 1/2x may be half of x, or one divided by 2x
            elif (part := self._tokens[self._next]) in "+-)}":
                break
            elif was_number and (part[0].isdigit() or part == r"\frac"):
                raise _UnreadableError  # 2 3 is not a product, nor is the mixed number 2\frac{1}{3}
            else:
                factor, was_number = self._power()
            product = _times(product, factor)
        return product

    def _power(self) -> tuple[Polynomial, bool]:
        """Read a factor and its exponent; also says whether the factor was a number as it stands."""
        base, is_number = self._factor()
        if self._take("^"):
            if not self.is_at_end and len(self._tokens[self._next]) > 1 and self._tokens[self._next][0].isdigit():
                raise _UnreadableError  # 2^10: in LaTeX the exponent is 1
            exponent = self._argument()
            if set(exponent) - {_ONE} or (power := exponent.get(_ONE, Fraction(0))).denominator != 1:
                raise _UnreadableError
            base, is_number = _raised(base, int(power)), False
        return base, is_number

    def _factor(self) -> tuple[Polynomial, bool]:
        part = self._read()
        if part[0].isdigit():
            return {_ONE: Fraction(part)} if Fraction(part) else {}, True
        if part == "(":
            return self._closed(")"), False
        if part == "{":
            return self._closed("}"), False
        if part == r"\frac":
            over = self._argument()
            return _times(over, _inverse(self._argument())), False
        if part == r"\sqrt":
            return _root(self._argument()), False
        if part == r"\pi":
            return {(1, ((part, 1),)): Fraction(1)}, False
        if part.isalpha() and not (
            part in _FUNCTION_LETTERS and not self.is_at_end and self._tokens[self._next] == "("
        ):
            return {(1, ((part, 1),)): Fraction(1)}, False
        raise _UnreadableError

    def _argument(self) -> Polynomial:
        r"""Read what `^`, `\frac` or `\sqrt` applies to: a group in braces, or the next character."""
        if self._take("{"):
            return self._closed("}")
        part = self._tokens[self._next] if not self.is_at_end else ""
        if part[:1].isdigit() and len(part) > 1:  # \frac12: each digit is an argument
            self._tokens[self._next : self._next + 1] = list(part)
            if "." in part:
                raise _UnreadableError
        return self._factor()[0]

    def _closed(self, bracket: str) -> Polynomial:
        inner = self.sum()
        if not self._take(bracket):
            raise _UnreadableError
        return inner

    def _read(self) -> str:
        if self.is_at_end:
            raise _UnreadableError
        self._next += 1
        return self._tokens[self._next - 1]

    def _take(self, part: str) -> bool:
        found = not self.is_at_end and self._tokens[self._next] == part
        self._next += found
        return found


def _tokens(formula: str) -> Iterator[str]:
    end = 0
    for match in _TOKEN.finditer(formula):
        if match.start() != end:
            raise _UnreadableError
        end = match.end()
        part = match[0]
        if part in (r"\cdot", r"\times"):
            yield "*"
        elif part not in (" ", r"\left", r"\right"):
            yield part
    if end != len(formula):
        raise _UnreadableError


def _checked(polynomial: dict[Monomial, Fraction]) -> Polynomial:
    kept = {monomial: coefficient for monomial, coefficient in polynomial.items() if coefficient}
    if len(kept) > _MAX_TERMS or any(
        max(abs(c.numerator), c.denominator).bit_length() > _MAX_BITS for c in kept.values()
    ):
        raise _UnreadableError
    return kept


def _times(a: Polynomial, b: Polynomial) -> Polynomial:
    if len(a) * len(b) > 10 * _MAX_TERMS:
        raise _UnreadableError
    product: dict[Monomial, Fraction] = {}
    for (root_a, powers_a), c in a.items():
        for (root_b, powers_b), d in b.items():
            shared = gcd(root_a, root_b)  # both are square-free, so the rest is square-free
            powers = dict(powers_a)
            for name, power in powers_b:
                powers[name] = powers.get(name, 0) + power
            monomial = (root_a * root_b // shared**2, tuple(sorted((n, p) for n, p in powers.items() if p)))
            product[monomial] = product.get(monomial, Fraction(0)) + shared * c * d
    return _checked(product)


def _raised(base: Polynomial, power: int) -> Polynomial:
    if abs(power) > _MAX_POWER and set(base) - {_ONE}:
        raise _UnreadableError
    if abs(power) > _MAX_BITS:
        raise _UnreadableError
    factor = base if power >= 0 else _inverse(base)
    result: Polynomial = {_ONE: Fraction(1)}
    for _ in range(abs(power)):
        result = _times(result, factor)
    return result


def _inverse(divisor: Polynomial) -> Polynomial:
    """One divided by a monomial without variables: sums and variables in a denominator are not read."""
    if not divisor:
        raise ZeroDivisionError
    ((root, powers), coefficient), *others = divisor.items()
    if others or powers:
        raise _UnreadableError
    return {(root, ()): 1 / (coefficient * root)}


def _root(radicand: Polynomial) -> Polynomial:
    r"""Square root of a rational number: \sqrt{a/b} is \sqrt{ab}/b."""
    if set(radicand) - {_ONE}:
        raise _UnreadableError
    value = radicand.get(_ONE, Fraction(0))
    under = value.numerator * value.denominator
    if not 0 <= under <= _MAX_ROOT:
        raise _UnreadableError
    outside, inside = _without_squares(under)
    return _checked({(inside, ()): Fraction(outside, value.denominator)})


@lru_cache(maxsize=1_024)
def _without_squares(n: int) -> tuple[int, int]:
    """Give `a` and square-free `b` with n = a² b."""
    outside, divisor = 1, 2
    while divisor * divisor <= n:
        while n % (divisor * divisor) == 0:
            n //= divisor * divisor
            outside *= divisor
        divisor += 1
    return (0, 1) if n == 0 else (outside, n)
