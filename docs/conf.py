"""Settings of Sphinx, which makes one site of docs/ and of the other Markdown files of the repository (`docs/build`).

The pages are written for GitHub, which shows them as they are. HTML comments mark the three places that are filled in
here, from the code and from the index page: `<!-- toctree -->`, `<!-- flags -->` and `<!-- names -->`.
"""

import re
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version as installed_version
from pathlib import Path

from cyclopts import App
from pydantic import BaseModel
from sphinx.application import Sphinx

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # the code beside these pages is described, whatever else is installed

project = "critique-graph"
version = release = installed_version("critique-graph")
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinxcontrib.mermaid"]
root_doc = "docs/index"
include_patterns = [
    "docs/*.md",
    "benchmarks/README.md",
    "critique_graph/miniature/weights/MODEL_CARD.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
]
html_theme = "furo"
html_title = "critique-graph"
html_copy_source = False
myst_fence_as_directive = ["mermaid"]
myst_heading_anchors = 3
default_role = "code"  # docstrings mark code by single backticks
autodoc_member_order = "bysource"
python_maximum_signature_line_length = 100
nitpicky = True
nitpick_ignore_regex = [("py:.*", ".*")]  # types in signatures are shown, not linked

_NAMES = """
```{eval-rst}
.. automodule:: critique_graph
   :members:
   :exclude-members: engine_module, model_config, model_post_init
```
"""


def fill_in(_: Sphinx, page: str, source: list[str]) -> None:
    """Replace the comments that mark a place in a page's source."""
    made: dict[str, Callable[[], str]] = {
        "<!-- toctree -->": lambda: "\n".join(tables_of_contents(source[0])),
        "<!-- flags -->": lambda: "\n\n".join(flags()),
        "<!-- names -->": lambda: _NAMES,
    }
    for mark, make in made.items():
        if page.startswith("docs/") and mark in source[0]:
            source[0] = source[0].replace(mark, make())


def tables_of_contents(index: str) -> Iterator[str]:
    """Give a table of contents for every section of the index that links to pages."""
    for section in index.split("\n## ")[1:]:
        title, _, text = section.partition("\n")
        if pages := re.findall(r"\]\(([^)#:]+)\.md\)", text):
            yield "\n".join(["```{toctree}", ":hidden:", f":caption: {title}", "", *dict.fromkeys(pages), "```", ""])


def flags() -> Iterator[str]:
    """Give the help of every verb as Markdown."""
    from critique_graph.cli import app

    def verbs(parent: App, path: str) -> Iterator[tuple[App, str]]:
        for name in parent:
            if not name.startswith("-"):
                inner = list(verbs(parent[name], f"{path} {name}"))
                yield from inner or [(parent[name], f"{path} {name}")]

    for verb, path in verbs(app, "critique-graph"):
        text = verb.generate_docs(output_format="markdown", heading_level=3).partition("\n")[2]
        usage = re.compile(r"(?<=```console\n)\S+( -m sphinx)?")  # begins with the name of the running program
        yield f"### {path}\n{usage.sub(path, text, count=1)}"


def read_docstring(_: Sphinx, kind: str, name: str, value: object, options: object, lines: list[str]) -> None:
    """Turn fenced Markdown code in a docstring into what Sphinx reads."""
    text = re.sub(
        r"^( *)```(\w+)\n(.*?)^ *```$",
        lambda block: f"{block[1]}.. code-block:: {block[2]}\n\n" + re.sub(r"^(?=.)", "    ", block[3], flags=re.M),
        "\n".join(lines),
        flags=re.DOTALL | re.MULTILINE,
    )
    # An empty comment first: napoleon takes what is before a colon in an attribute's first line for a type.
    lines[:] = [*(["..", ""] if kind in ("attribute", "property") else []), *text.split("\n")]


def short_signature(_: Sphinx, kind: str, name: str, value: object, options: object, *given: str) -> tuple[str, ...]:
    """Give the signature of a pydantic class: the fields that this package declares, with their defaults."""
    if not isinstance(value, type) or not issubclass(value, BaseModel):
        return given
    bases = [base for base in value.__mro__ if base.__module__.startswith("critique_graph")]
    own = {field for base in bases for field in base.__annotations__}
    shown = [
        field if info.is_required() else f"{field}={info.get_default(call_default_factory=True)!r}"
        for field, info in value.model_fields.items()
        if field in own
    ]
    return f"(*, {', '.join(shown)})", ""


def setup(app: Sphinx) -> None:
    """Register what fills in the pages."""
    app.connect("source-read", fill_in)
    app.connect("autodoc-process-docstring", read_docstring, priority=400)  # before napoleon
    app.connect("autodoc-process-signature", short_signature)
