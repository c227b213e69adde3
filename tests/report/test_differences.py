import pytest

from critique_graph.report.differences import differences


@pytest.mark.parametrize(
    ("before", "after", "pieces"),
    [
        ("a\nb", "a\nb", (("=", "a\nb"),)),
        ("6 + 2 = 7.", "6 + 2 = 8.", (("=", "6 + 2 = "), ("-", "7"), ("+", "8"), ("=", "."))),
        ("a\n", "a\nb\n", (("=", "a\n"), ("+", "b\n"))),
        ("a", "", (("-", "a"),)),
        ("", "b", (("+", "b"),)),
        ("", "", ()),
    ],
    ids=["same", "word", "line", "gone", "new", "empty"],
)
def test_pieces_say_what_stayed_went_and_came(before: str, after: str, pieces: tuple[tuple[str, str], ...]):
    assert differences(before, after) == pieces


def test_pieces_lose_nothing_of_long_texts():
    before = "\n".join(f"{i} is {i * i % 7} and more" for i in range(3000))
    after = " ".join(f"{i} is {i * i % 5}" for i in range(3000))
    pieces = differences(before, after)
    assert "".join(text for kind, text in pieces if kind != "+") == before
    assert "".join(text for kind, text in pieces if kind != "-") == after
