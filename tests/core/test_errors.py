import pytest

from critique_graph.core.errors import first_line


@pytest.mark.parametrize(
    ("error", "line"),
    [(ValueError("\nno model\nat all"), "no model"), (TimeoutError(), "TimeoutError")],
    ids=["several lines", "no message"],
)
def test_error_is_told_by_its_first_line(error: Exception, line: str) -> None:
    assert first_line(error) == line
