"""Writes a page: the template, with the one script and the one style that its policy permits, by their hashes."""

import base64
import hashlib
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path

import orjson

from critique_graph.core.errors import InputError, MissingDependencyError
from critique_graph.core.files import write_atomically
from critique_graph.output.terminal import escaped
from critique_graph.report.compare_page import compare_page
from critique_graph.report.eval_critic_page import eval_critic_page
from critique_graph.report.generate_page import generate_page
from critique_graph.report.improve_page import improve_page
from critique_graph.report.kinds import verb_of
from critique_graph.report.layout import Page
from critique_graph.report.run_page import run_page
from critique_graph.report.study_page import study_page
from critique_graph.report.talk_page import talk_page

ENDINGS = (".html", ".htm")
_PACKAGES = ("jinja2", "latex2mathml", "matplotlib")
_FILES = files("critique_graph.report") / "page"


def check_report(path: Path) -> None:
    """Check that a report can be written, before anything is read.

    Raises:
        InputError: The name is not one of an HTML file, or its folder does not exist.
        MissingDependencyError: The extra is not installed.
    """
    if path.suffix.lower() not in ENDINGS:
        raise InputError(f"--out {path}: the ending must be .html.")
    if not path.parent.is_dir():
        raise InputError(f"--out {path}: there is no folder {path.parent}.")
    require_extra("critique-graph report")


def require_extra(purpose: str) -> None:
    """Check that what pages need is installed.

    Raises:
        MissingDependencyError: Something is not.
    """
    for package in _PACKAGES:
        try:
            __import__(package)
        except ImportError as error:
            raise MissingDependencyError(package, extra="report", purpose=purpose) from error


def write_report(folders: Sequence[Path], path: Path) -> Page:
    """Write the page of a folder, or of several runs side by side, and give what it holds.

    Args:
        folders: Folders of `critique-graph run`, or one of another verb.
        path: The file; one that exists is replaced.

    Raises:
        InputError, RunError: A folder cannot be shown, or the file cannot be written.
        MissingDependencyError: The extra is not installed.
    """
    check_report(path)
    page = _page_of(folders, path)
    write_atomically(path, (part.encode() for part in _parts(page)))
    return page


def _page_of(folders: Sequence[Path], path: Path) -> Page:
    verbs = [verb_of(folder) for folder in folders]
    for folder, verb in zip(folders, verbs, strict=True):
        if len(folders) > 1 and verb != "run":
            raise InputError(f"{folder} is a folder of `{verb}`, of which a page shows one alone; name only this one.")
    match verbs[0]:
        case "run":
            return run_page(folders)
        case "generate":
            return generate_page(folders[0])
        case "self-talk":
            return talk_page(folders[0])
        case "compare":
            return compare_page(folders[0])
        case "eval-critic":
            return eval_critic_page(folders[0])
        case "improve":
            return improve_page(folders[0], beside=path.parent)
        case "study":
            return study_page(folders[0], beside=path.parent)


def _parts(page: Page) -> Iterator[str]:
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    style, trees, script, template = (
        (_FILES / name).read_text(encoding="utf-8") for name in ("page.css", "trees.js", "page.js", "page.html")
    )
    script = f"{trees}\n{script}"
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["visible"] = lambda value: escaped(str(value))
    yield from environment.from_string(template).generate(
        title=" · ".join(page.names),
        page=page,
        plots=[(plot, Markup(plot.svg)) for plot in page.plots],  # noqa: S704 - ElementTree escaped its texts
        index=Markup(_harmless(_index_of(page).decode())),  # noqa: S704 - no `<` is left in it
        style=Markup(style),  # noqa: S704 - a file of this package
        script=Markup(script),  # noqa: S704 - files of this package
        style_hash=_hash(style),
        script_hash=_hash(script),
    )


def _index_of(page: Page) -> bytes:
    """Give everything but the trees as JSON."""
    return orjson.dumps(
        {
            "schema": "critique-graph.report/1",
            "verb": page.verb,
            **page.data,
            "filters": [{"name": found.name, "options": found.options} for found in page.filters],
            "problems": [row.model_dump(mode="json") for row in page.rows],
        },
        option=orjson.OPT_NON_STR_KEYS,
    )


def _harmless(json: str) -> str:
    """Write JSON so that no HTML can begin or end in it."""
    return json.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
