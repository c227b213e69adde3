"""Finds links in the repository's Markdown files that lead to no file of it, or to no heading of a page.

python docs/links.py [FOLDER]
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

PAGES = ("*.md", "docs/*.md", "benchmarks/*.md", "critique_graph/miniature/weights/*.md")
_CODE = re.compile(r"^(```|~~~).*?^\1|`[^`\n]*`", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\]\(\s*<?([^)\s>]+)")
_HEADING = re.compile(r"^#{1,6} +(.*?)\s*$", re.MULTILINE)


def dead_links(root: Path) -> Iterator[str]:
    """Give one line for every link that leads nowhere; links to other sites are not looked at."""
    for page in sorted(page for pattern in PAGES for page in root.glob(pattern)):
        for target in _LINK.findall(_CODE.sub("", page.read_text())):
            path, _, heading = target.partition("#")
            file = page.parent / path if path else page
            if re.match(r"[a-z]+:", target):
                continue
            if not file.is_file():
                yield f"{page.relative_to(root)}: {target}: there is no such file"
            elif heading and heading not in anchors(file.read_text()):
                yield f"{page.relative_to(root)}: {target}: there is no such heading"


def anchors(text: str) -> set[str]:
    """Give the names by which GitHub, and the site, link to a page's headings."""
    found: set[str] = set()
    for heading in _HEADING.findall(re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        name = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        number = next(n for n in range(len(found) + 1) if (f"{name}-{n}" if n else name) not in found)
        found.add(f"{name}-{number}" if number else name)
    return found


if __name__ == "__main__":
    dead = list(dead_links(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1]))
    print("\n".join(dead), end="\n" if dead else "")
    sys.exit(1 if dead else 0)
