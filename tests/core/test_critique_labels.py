"""Shortcuts of reading labels find what the patterns find."""

from hypothesis import given
from hypothesis import strategies as st

from critique_graph.core.critique_labels import _FILLER, _TRAILING_SPACE, _clean

PIECES = st.sampled_from(["a", " ", "\n", "\t", "---", "</critique>", "### Step 2", "\u2003", "\u2028", "\f"])


@given(st.lists(PIECES, max_size=8).map("".join))
def test_value_is_cleaned_as_by_the_patterns(value: str) -> None:
    first, _, rest = value.partition("\n")

    assert _clean(value) == _TRAILING_SPACE.sub("", f"{first}\n{_FILLER.sub('', rest)}").strip()
