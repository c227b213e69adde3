from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from critique_graph.grading.exact import compare_exactly, parse_answer
from critique_graph.grading.numbers import ExactNumber

TEXT = st.text(alphabet="0123456789.,/%-+eE ()[]{}\\$^_abx frac sqrt text \N{SQUARE ROOT}½²", max_size=60)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("18", Fraction(18)),
        ("-3", Fraction(-3)),
        ("007", Fraction(7)),
        ("+2", Fraction(2)),
        ("1,234", Fraction(1234)),
        ("1 234 567", Fraction(1234567)),
        (r"10,\!080", Fraction(10080)),
        (r"10{,}000", Fraction(10000)),
        (r"1\,000\,000", Fraction(10**6)),
        ("2.50", Fraction(5, 2)),
        (".35625", Fraction(35625, 10**5)),
        ("3.", Fraction(3)),
        ("1/2", Fraction(1, 2)),
        (r"\frac{1}{2}", Fraction(1, 2)),
        (r"-\dfrac{1}{2}", Fraction(-1, 2)),
        (r"\frac{-1}{2}", Fraction(-1, 2)),
        (r"\frac12", Fraction(1, 2)),
        (r"\frac 59", Fraction(5, 9)),
        (r"\frac{270}7", Fraction(270, 7)),
        ("270/7", Fraction(270, 7)),
        (r"137 \frac{1}{2}", Fraction(275, 2)),
        (r"-1\frac{1}{2}", Fraction(-3, 2)),
        ("1 4/5", Fraction(9, 5)),
        ("2½", Fraction(5, 2)),
        ("6.02e23", Fraction(602 * 10**21)),
        (r"1.5 \times 10^{-3}", Fraction(15, 10**4)),
        ("\N{FULLWIDTH DIGIT ONE}\N{FULLWIDTH DIGIT TWO}", Fraction(12)),
        ("\N{EN DASH}5", Fraction(-5)),
        (r"\$18.90", Fraction(189, 10)),
        (r"75^\circ", Fraction(75)),
        (r"15\mbox{ cm}^2", Fraction(15)),
        ("18 dollars per day", Fraction(18)),
        ("10cm", Fraction(10)),
        (r"x = 5", Fraction(5)),
        ("5 million", Fraction(5_000_000)),
        ("two dozen eggs", Fraction(24)),
        ("seven", Fraction(7)),
    ],
)
def test_number_is_read_however_it_is_written(written: str, value: Fraction) -> None:
    number = parse_answer(written).number

    assert number is not None
    assert number.value == value


@pytest.mark.parametrize(
    "written",
    [
        "",
        "x",
        "2x",
        "2xy",
        "1/0",
        r"\sqrt{2}",
        "3 or 4 of 5",
        "5 minus x",
        "4210_{5}",
        "1" * 65,
        "1e9999",
    ],
)
def test_what_is_no_exact_number_is_left_to_math_verify(written: str) -> None:
    assert parse_answer(written).number is None


def test_percentage_is_marked() -> None:
    assert parse_answer(r"50\%").number == ExactNumber(Fraction(50), is_percent=True)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("0.5", r"\frac{1}{2}"),
        ("0.333333", "1/3"),
        ("0.166667", "1/6"),
        ("0.666666", "2/3"),
        ("3.14159265", "3.141593"),
        ("0.30000000000000004", "0.3"),
        ("2.9999999999999996", "3"),
        ("50%", "0.5"),
        ("50%", "50"),
        ("33.5%", "0.335"),
        ("50 percent", "1/2"),
        ("(1, 2)", "1,2"),
        ("[1,2,3]", "(1,2,3)"),
        (r"\{1,2\}", "2, 1"),
        ("2 and 1", "1,2"),
        (r"\left( \frac12, -13 \right)", "(0.5,-13)"),
        ("X", "x"),
        (r"\text{Navin}", "navin"),
        (r"\text{(B)}", "B"),
    ],
)
def test_equal(a: str, b: str) -> None:
    first, second = parse_answer(a), parse_answer(b)

    assert compare_exactly(first, second) is True
    assert compare_exactly(second, first) is True


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("5", "6"),
        ("0.33", "1/3"),
        ("0.333334", "1/3"),
        ("3.000001", "3"),
        ("10000000000.1", "10000000000"),
        ("0.0000001", "0.0000002"),
        (".0000672", "0.000067"),
        ("1e-20", "2e-20"),
        ("50%", "5"),
        ("50%", "0.5%"),
        ("(1,2)", "(2,1)"),
        ("(1,2)", "2,1"),
        ("[1,2]", "(1,2)"),
        ("(1,2]", "(1,2)"),
        ("1,2", "1,2,3"),
        ("4 or 5", "4"),
        ("(1,234)", "1,234"),
    ],
)
def test_not_equal(a: str, b: str) -> None:
    first, second = parse_answer(a), parse_answer(b)

    assert compare_exactly(first, second) is False
    assert compare_exactly(second, first) is False


def test_numbers_of_different_variables_are_left_to_math_verify() -> None:
    assert compare_exactly(parse_answer("x=5"), parse_answer("y=5")) == (("x=5", "y=5"),)


def test_only_the_elements_that_are_no_numbers_are_left_to_math_verify() -> None:
    a, b = parse_answer(r"(1, \sin x)"), parse_answer(r"(1, \cos x)")

    assert compare_exactly(a, b) == ((r"\sin x", r"\cos x"),)


def test_a_number_that_differs_decides_for_the_whole_list() -> None:
    a, b = parse_answer(r"(2, \sqrt{8})"), parse_answer(r"(1, 2\sqrt{2})")

    assert compare_exactly(a, b) is False


@given(st.fractions(max_denominator=10**6))
def test_fraction_is_read_back(value: Fraction) -> None:
    sign = "-" if value < 0 else ""
    written = rf"{sign}\frac{{{abs(value.numerator)}}}{{{value.denominator}}}"

    assert parse_answer(written).number == ExactNumber(value)


@given(TEXT, TEXT)
def test_any_two_texts_compare_alike_in_both_orders(a: str, b: str) -> None:
    first, second = parse_answer(a), parse_answer(b)

    forth, back = compare_exactly(first, second), compare_exactly(second, first)

    assert forth is back if isinstance(forth, bool) else {*forth} == {(y, x) for x, y in back}
    assert compare_exactly(first, first) is True
