"""Equations found in the texts of models and people, and evaluated exactly."""

from fractions import Fraction

import pytest

from critique_graph.nodes.equations import find_equations, numbers_in, value


def sides(text: str) -> list[tuple[str, str, bool]]:
    """Give the left and the right side of every equation, and whether it is true."""
    return [
        ("".join(t.text for t in found.left), "".join(t.text for t in found.right), found.is_true)
        for found in find_equations(text)
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It is 5 (last night) * 5 (today) = 25 classes.", [("5(last night)*5(today)", "25", True)]),
        ("33 classes * 15 students/class = 495 students", [("33classes*15students/class", "495", True)]),
        ("She buys 3 + 4 = 7 apples", [("3+4", "7", True)]),
        ("2 + 3 + 4 = 9", [("2+3+4", "9", True)]),
        ("3 * 4 + 5 = 12 + 5 = 17", [("3*4+5", "12+5", True), ("12+5", "17", True)]),
        (r"$196=2^2\cdot7^2$", [("196", r"2^2\cdot7^2", True)]),
        (r"$\left(\dfrac{1}{2}+1\right) \div 3 = \frac12$", [(r"(\dfrac{1}{2}+1)\div3", r"\frac12", True)]),
        (r"$2(x+1) = 2x + 2$", [("2(x+1)", "2x+2", True)]),
        (r"$\sqrt{16} + \binom{5}{2} + 3! = 20$", [(r"\sqrt{16}+\binom{5}{2}+3!", "20", True)]),
        ("- 12 x 5 = 60", [("12x5", "60", True)]),
        ("The sums are -11+50 = 39.", [("-11+50", "39", True)]),
        ("= 3 + 4", []),
        ("x_3 + 4 = 7", []),
        ("He has 3 +\n4 = 4", []),
        ("3 + 4 == 7, 3 + 4 <= 7", []),
        ("1 / 0 = 0, 9^99999 = 1, (((3 = 3)))", []),
    ],
)
def test_equations_of_a_text(text: str, expected: list[tuple[str, str, bool]]):
    assert sides(text) == expected


@pytest.mark.parametrize("text", ["3 + 4 = 8", "2x + 3 = 11", "10 / 3 = 3.33", "x = 3 + 4"])
def test_what_does_not_hold_for_all_values_is_not_true(text: str):
    assert not any(found.is_true for found in find_equations(text))


def test_long_and_hostile_texts_end_soon():
    for text in ("(" * 5000 + "=" + ")" * 5000, "1+" * 20000 + "1=1", "2^" * 3000 + "2=2", "a " * 20000 + "= 3"):
        assert not any(found.is_true for found in find_equations(text))


def test_numbers_keep_their_spelling():
    tokens = numbers_in("$1,200.50 and 25% of 30")
    assert [value((token,)) for token in tokens] == [Fraction("1200.5"), Fraction(1, 4), Fraction(30)]
    assert [token.with_number(Fraction(5000)).text for token in tokens] == ["5,000.00", "5000%", "5000"]
    assert tokens[2].with_number(Fraction(1, 3)) is None
