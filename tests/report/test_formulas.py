import pytest

from critique_graph.report.formulas import ATTRIBUTES, TAGS, MathElement, find_formulas

pytest.importorskip("latex2mathml")


@pytest.mark.parametrize(
    ("text", "sources"),
    [
        (r"So $x^2$ and \(y\) are \[z\] or $$w$$.", ["$x^2$", r"\(y\)", r"\[z\]", "$$w$$"]),
        (r"The answer is \boxed{\frac{1}{2}}.", [r"\boxed{\frac{1}{2}}"]),
        ("It costs $5 and then $6.", []),
        ("$ x$ or $x $", []),
        (r"\$3$ and $", []),
        ("$" * 5000, []),
        (r"\(" * 5000, []),
    ],
    ids=["delimiters", "boxed", "money", "spaces", "escaped", "dollars", "opened"],
)
def test_formulas_are_found(text: str, sources: list[str]):
    assert list(find_formulas([text])) == sources


def test_a_formula_becomes_elements():
    found = find_formulas(["$x<1$"])["$x<1$"]
    assert found.tag == "math"
    assert [(part.tag, part.content) for part in walk(found) if part.tag in ("mi", "mo", "mn")] == [
        ("mi", ("x",)),
        ("mo", ("<",)),
        ("mn", ("1",)),
    ]


@pytest.mark.parametrize(
    "tex",
    [
        r"\href{javascript:alert(1)}{x}",
        r"\style{background:url(http://x)}{x}",
        r"\color{red}{x}",
        r"\def\x{\x\x}\x",
        r"\newcommand{\a}{\b\b}\a",
        "{" * 400 + "}" * 400,
        "{" * 400,
        r"\frac",
        r"\begin{matrix}",
    ],
)
def test_a_formula_that_may_do_harm_or_cannot_be_read_stays_text(tex: str):
    assert find_formulas([f"${tex}$"]) == {}


@pytest.mark.parametrize(
    "tex",
    [
        r"\text{<script>alert(1)</script>}",
        r"\text{&lt;img src=x onerror=alert(1)&gt;}",
        r"\unicode{x3c}script\unicode{x3e}",
        r"\mathrm{</math><script>}",
        r"\begin{array}{c\" onload=\"x}1\end{array}",
        r"\hspace{1em\" onclick=\"x}",
        r"\class{a}{x}",
        r"\require{html}\data{a=1}{x}",
    ],
)
def test_hostile_formula_has_permitted_elements_alone(tex: str):
    for tree in find_formulas([f"${tex}$"]).values():
        for part in walk(tree):
            assert part.tag in TAGS
            assert set(part.attributes) <= ATTRIBUTES
            assert not any('"' in value or "<" in value or ":" in value for value in part.attributes.values())


def walk(tree: MathElement) -> list[MathElement]:
    return [tree, *(part for child in tree.content if isinstance(child, MathElement) for part in walk(child))]
