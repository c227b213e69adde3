r"""Formulas of a text as MathML, so that a browser draws them: `$…$`, `$$…$$`, `\(…\)`, `\[…\]` and `\boxed{…}`.

latex2mathml converts, but it passes on links, styles and whatever stands in `\text`. So what it gives becomes a tree of
permitted tags and attributes, from which the page builds elements; a formula with anything else is shown as it was
written.
"""

import html
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Union
from xml.etree.ElementTree import Element

from critique_graph.core.schema import Record

TAGS = frozenset(
    (
        *("math", "menclose", "mfrac", "mi", "mn", "mo", "mover", "mpadded", "mphantom", "mroot", "mrow", "mspace"),
        *("msqrt", "mstyle", "msub", "msubsup", "msup", "mtable", "mtd", "mtext", "mtr", "munder", "munderover"),
    )
)
ATTRIBUTES = frozenset(
    (
        *("accent", "columnalign", "columnspacing", "display", "displaystyle", "fence", "form", "linethickness"),
        *("lspace", "mathvariant", "maxsize", "minsize", "movablelimits", "notation", "rowspacing", "rspace"),
        *("scriptlevel", "separator", "stretchy", "symmetric", "width"),
    )
)


class MathElement(Record):
    """An element of MathML."""

    tag: str
    attributes: dict[str, str]
    content: tuple[Union["MathElement", str], ...]


_FORMULA = re.compile(
    r"\$\$(?P<a>[^$]{1,1000})\$\$|\\\[(?P<b>[^$]{1,1000}?)\\\]|\\\((?P<c>[^$]{1,1000}?)\\\)"
    r"|(?<!\\)\$(?P<d>(?!\s)[^$\n]{1,500}(?<!\s))\$(?!\d)|(?P<e>\\boxed\{(?:[^{}]|\{[^{}]{0,100}\}){1,200}\})"
)
_PLAIN_VALUE = re.compile(r"[\w.%+ -]{0,40}")
_DEFINES = re.compile(r"\\(?:re)?(?:def|let|newcommand|providecommand|newenvironment|DeclareMathOperator)")
_DEEPEST = 30


def find_formulas(texts: Iterable[str]) -> dict[str, MathElement]:
    """Give every formula of the texts that can be drawn: its source, delimiters included, and its tree."""
    found: dict[str, MathElement] = {}
    for text in texts:
        if "$" not in text and "\\" not in text:
            continue
        for match in _FORMULA.finditer(text):
            if match[0] in found:
                continue
            tree = to_tree((match[match.lastgroup or "a"]).strip(), is_display=match.lastgroup in ("a", "b"))
            if tree is not None:
                found[match[0]] = tree
    return found


@lru_cache(maxsize=4096)
def to_tree(tex: str, *, is_display: bool) -> MathElement | None:
    """Convert a formula; None if it cannot be, or needs more than the permitted tags and attributes."""
    if _DEFINES.search(tex):  # a short definition can expand into a text without end
        return None
    from latex2mathml.converter import convert_to_element

    try:
        return _tree(convert_to_element(tex, display="block" if is_display else "inline"), _DEEPEST)
    except Exception:  # noqa: BLE001 - whatever foreign TeX raises in the converter, the formula is shown as written
        return None


def _tree(element: Element, depth: int) -> MathElement:
    if element.tag not in TAGS or depth == 0:
        raise ValueError(f"no permitted element: {element.tag}")
    attributes = {name: value for name, value in element.attrib.items() if name != "xmlns"}
    if not all(name in ATTRIBUTES and _PLAIN_VALUE.fullmatch(value) for name, value in attributes.items()):
        raise ValueError(f"no permitted attributes: {attributes}")
    text = html.unescape(element.text or "")
    content = (*((text,) if text else ()), *(_tree(child, depth - 1) for child in element))
    return MathElement(tag=element.tag, attributes=attributes, content=content)
