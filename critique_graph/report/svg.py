"""A figure of matplotlib as SVG inside a page, with the page's own colours and letters.

The page's policy forbids styles in attributes, so colours become classes, which also lets them follow light and dark.
"""

import io
import re
import warnings
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_RUNS = 6
"""Most runs that a plot shows, the first ones: more colours than that cannot be told apart."""

INK, MUTED, GRID, GOOD, BAD, PLAIN, PALE = (f"#00000{number}" for number in range(1, 8))
RUNS = tuple(f"#0000a{number}" for number in range(MOST_RUNS))
_CLASSES = {INK: "ink", MUTED: "muted", GRID: "grid", GOOD: "good", BAD: "bad", PLAIN: "plain", PALE: "pale"} | {
    color: f"run{index}" for index, color in enumerate(RUNS)
}
"""Colours of which the style sheet decides."""

_SVG, _LINK = "http://www.w3.org/2000/svg", "{http://www.w3.org/1999/xlink}href"
_FONT_SIZE = re.compile(r"[\d.]+px")
_REFERENCE = re.compile(r"url\(#([^)]+)\)")


def svg_of(figure: "Figure", name: str) -> str:
    """Give the SVG with classes in place of styles, without what only a file of its own needs."""
    import matplotlib

    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": name}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")  # the browser has the letters
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    root = ElementTree.fromstring(buffer.getvalue())  # noqa: S314 - matplotlib wrote it
    ElementTree.register_namespace("", _SVG)
    used: set[str] = set()
    for parent in root.iter():
        for child in list(parent):
            if child.tag in (f"{{{_SVG}}}metadata", f"{{{_SVG}}}style"):
                parent.remove(child)
        _restyle(parent)
        used.update(match[1] for value in parent.attrib.values() for match in _REFERENCE.finditer(value))
        if _LINK in parent.attrib:
            parent.set("href", parent.attrib.pop(_LINK))
            used.add(parent.attrib["href"].removeprefix("#"))
    for element in root.iter():
        if element.get("id") not in used:
            element.attrib.pop("id", None)
    for size in ("width", "height"):
        root.attrib.pop(size, None)
    root.set("aria-hidden", "true")
    return ElementTree.tostring(root, encoding="unicode")


def _restyle(element: ElementTree.Element) -> None:
    style: dict[str, Any] = dict(
        part.strip().split(": ", 1) for part in element.attrib.pop("style", "").split(";") if ": " in part
    )
    style |= {name: element.attrib[name] for name in ("fill", "stroke") if name in element.attrib}
    classes = []
    for name, value in style.items():
        if name in ("fill", "stroke") and value in _CLASSES:
            element.attrib.pop(name, None)
            classes.append(f"{name}-{_CLASSES[value]}")
        elif name == "font":
            size = _FONT_SIZE.search(value)
            if size:
                element.set("font-size", size[0])
        elif name == "transform-origin":
            continue
        else:
            element.set(name, value)
    if classes:
        element.set("class", " ".join(classes))
