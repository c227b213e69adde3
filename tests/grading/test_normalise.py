import pytest

from critique_graph.grading.normalise import normalise


@pytest.mark.parametrize(
    ("written", "latex"),
    [
        pytest.param("√10", r"\sqrt{10}", id="unicode-root"),
        pytest.param("√(x+1)", r"\sqrt{x+1}", id="unicode-root-of-brackets"),
        pytest.param("sqrt(2 + sqrt(3))", r"\sqrt{2+\sqrt{3}}", id="plain-roots"),
        pytest.param("2**(1/4)", "2^{(1/4)}", id="python-power"),
        pytest.param("(3*sqrt(5))/7", r"(3\cdot\sqrt{5})/7", id="python-product"),
        pytest.param("2*pi", r"2\cdot\pi", id="plain-pi"),
        pytest.param("x²", "x^{2}", id="superscript"),
        pytest.param("5 \N{MINUS SIGN} x", "5-x", id="unicode-minus"),
        pytest.param("∞", r"\infty", id="infinity"),
        pytest.param(r"\varnothing", r"\emptyset", id="empty-set"),
        pytest.param(r"$\left( 3, \dfrac{\pi}{2} \right)$", r"(3,\frac{\pi}{2})", id="layout"),
        pytest.param(r"\(x\)", "x", id="math-delimiters"),
        pytest.param(r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}", r"\begin{pmatrix}1\\2\end{pmatrix}", id="matrix-rows"),
        pytest.param(r"90°", "90", id="degree-sign"),
        pytest.param(r"36^{\circ}", "36", id="degree-command"),
        pytest.param(r"\frac{270}7\text{ degrees}", r"\frac{270}7", id="text-unit"),
        pytest.param(r"5\text{ m}/\text{s}^2", "5", id="compound-unit"),
        pytest.param(r"\text{east}", "east", id="text"),
        pytest.param(r"\text{Answer: }5", "5", id="label"),
        pytest.param(r"5 \text{ and } 7", "5,7", id="and"),
        pytest.param("(C)", "C", id="choice"),
        pytest.param("odd $n$", "odd n", id="words-keep-their-space"),
        pytest.param("2\N{ZERO WIDTH SPACE}5 .", "25", id="invisible-and-full-stop"),
    ],
)
def test_spellings_become_one(written: str, latex: str) -> None:
    assert normalise(written).text == latex
