import pytest

from critique_graph.core.errors import first_line, one_line


@pytest.mark.parametrize(
    ("error", "line"),
    [(ValueError("\nno model\nat all"), "no model"), (TimeoutError(), "TimeoutError")],
    ids=["several lines", "no message"],
)
def test_error_is_told_by_its_first_line(error: Exception, line: str) -> None:
    assert first_line(error) == line


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a\n  b\tc", "a b c"),
        ("x" * 600, "x" * 499 + "…"),
        ("lone \ud800 surrogate", "lone ? surrogate"),
        ("red \x1b[31m\x00end", "red [31m end"),
    ],
    ids=["lines", "long", "surrogate", "control characters"],
)
def test_text_becomes_one_storable_line(text: str, line: str) -> None:
    assert one_line(text) == line
