"""Find the step of a response that each sentence of a critique judges, in linear time."""

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher
from functools import cached_property
from itertools import accumulate

_MARKUP = re.compile(
    r"<<[^<>\n]*>>|\\(?:begin|end)\{[^{}\n]{0,20}\}|\\(?:left|right|q?quad)(?![a-zA-Z])"
    r"|\\[\\\[\]()!,;: ]|[\s$*&#`_]+"
)
_PLAIN_ASCII = {
    **{code: chr(code).lower() for code in range(128)},
    **dict.fromkeys([*map(ord, "$*&#`_"), *(code for code in range(128) if chr(code).isspace())]),
}
"""All that is done where there is no backslash, no `<<`, and ASCII alone: faster than by the pattern."""
_TYPOGRAPHY = str.maketrans("\u2018\u2019\u201c\u201d\u2013\u2014\u2212", "''\"\"---")
# An inexact quotation is found by the sequences of this many characters that it shares with the text; at least the
# share `_MIN_ALIKE` of the sentence must be found.
_GRAM = 5
_MIN_ALIKE = 0.6
_MAX_ALIKE = 400
_NUMBERED = re.compile(r"step\d{1,3}[-:.)]")
_MIN_RATIO = 0.8
"""Least similarity of a numbered sentence to the step with its number: twice the shared characters over all of both."""
_MAX_PLACES = 4
_MAX_EFFORT = 2_000_000
"""Characters searched in vain before alignment gives up; about a hundred misquotes of a response of 2 KB."""
_LOOKUP_EFFORT = 200
"""Effort counted for looking up one sequence: it takes about as long as searching this many characters."""


def align_with(judged: Sequence[str], steps: Sequence[str]) -> list[int | None]:
    """Find the step that each sentence of a critique judges: its index in `steps`.

    Markup is not compared (dollars, brackets and environments of formulas, `<<1+1=2>>`, spaces, case). A sentence is
    searched for first after the previous sentence's place, then anywhere. An inexact quotation is then searched for by
    the character sequences it shares with the steps. Last, a short sentence with a number (`Step 3: ...`) is compared
    with the step of that number. A sentence that covers several steps, or part of one, belongs to the step in which it
    begins. None means that nothing similar was found.
    """
    parts = [_plain(step) for step in steps]
    starts = list(accumulate(map(len, parts), initial=0))[:-1]
    quoted, numbered = _Quoted("".join(parts)), _Numbered(parts)
    indices: list[int | None] = []
    for sentence in (_plain(sentence).rstrip(".,;:") for sentence in judged):
        place = quoted.find(sentence)
        indices.append(numbered.find(sentence) if place is None else bisect_right(starts, place) - 1)
    return indices


def holds_in_order(text: str, steps: Iterable[str]) -> bool:
    """Tell whether `text` quotes all `steps`, one after the other; markup, spaces and case are not compared."""
    rest = _plain(text)
    for step in steps:
        quoted = re.compile(rf"(?<!\d){re.escape(_plain(step).rstrip('.,;:'))}(?!\d)")
        if (found := quoted.search(rest)) is None:
            return False
        rest = rest[found.end() :]
    return True


def _plain(text: str) -> str:
    if "\\" not in text and "<<" not in text and text.isascii():
        return text.translate(_PLAIN_ASCII)
    return _MARKUP.sub("", text.translate(_TYPOGRAPHY)).lower()


class _Quoted:
    """A text from which sentences are quoted, mostly in order."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._cursor = 0
        self._effort = _MAX_EFFORT

    def find(self, sentence: str) -> int | None:
        """Where `sentence` begins in the text; None when nothing similar is there, or when the effort is used up."""
        if not sentence or self._effort <= 0:
            return None
        place = self._text.find(sentence, self._cursor)
        if place < 0:
            self._effort -= len(self._text) + len(sentence)
            place = self._text.find(sentence)
        if place < 0:
            return self._find_alike(sentence)
        self._cursor = place + len(sentence)
        return place

    def _find_alike(self, sentence: str) -> int | None:
        """Where most of `sentence` is found: the same character sequences at about the same distances."""
        sentence = sentence[:_MAX_ALIKE]
        self._effort -= _LOOKUP_EFFORT * len(sentence)
        width = max(_GRAM, len(sentence) // 2)
        hits: dict[int, list[tuple[int, int]]] = {}
        for offset in range(len(sentence) - _GRAM + 1):
            for place in self._places.get(sentence[offset : offset + _GRAM], ()):
                hits.setdefault((place - offset) // width, []).append((place - offset, place))
        # Neighbouring bins count together, so that no quotation is cut in two by their border.
        densest = max(hits, key=lambda bin_: len(hits[bin_]) + len(hits.get(bin_ + 1, [])), default=0)
        best = hits.get(densest, []) + hits.get(densest + 1, [])
        if len(best) * _GRAM < max(1, _MIN_ALIKE * len(sentence)):
            return None
        middle = sorted(best)[len(best) // 2][0]
        near = [place for shift, place in best if abs(shift - middle) <= 4 * _GRAM]
        self._cursor = max(near)
        return min(near)

    @cached_property
    def _places(self) -> dict[str, list[int]]:
        """Where the `_GRAM`-character tiles of the text occur, the first `_MAX_PLACES` times."""
        places: dict[str, list[int]] = defaultdict(list)
        for place in range(0, len(self._text) - _GRAM + 1, _GRAM):
            known = places[self._text[place : place + _GRAM]]
            if len(known) < _MAX_PLACES:
                known.append(place)
        return places


class _Numbered:
    """Steps by the numbers their author gave them, to find short steps that are quoted with a wrong word or sign."""

    def __init__(self, steps: Sequence[str]) -> None:
        self._all = steps
        self._effort = _MAX_EFFORT

    @cached_property
    def _steps(self) -> dict[str, tuple[int, str]]:
        found: dict[str, tuple[int, str]] = {}
        for index, step in enumerate(self._all):
            if label := _NUMBERED.match(step):
                found.setdefault(label[0], (index, step))
        return found

    def find(self, sentence: str) -> int | None:
        """Index of the step with the sentence's number, if the two are similar enough."""
        label = _NUMBERED.match(sentence)
        if label is None or label[0] not in self._steps:
            return None
        index, step = self._steps[label[0]]
        self._effort -= len(sentence) * len(step)
        if max(len(sentence), len(step)) > _MAX_ALIKE or self._effort <= 0:
            return None
        is_alike = SequenceMatcher(None, sentence, step, autojunk=False).ratio() >= _MIN_RATIO
        return index if is_alike else None
