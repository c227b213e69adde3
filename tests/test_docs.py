"""The pages lead where they say: links, pages, named files; and the tour runs. `docs/build` checks the rest in CI."""

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
dead_links = runpy.run_path(str(ROOT / "docs" / "links.py"))["dead_links"]


def test_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 100


def test_no_link_is_dead():
    assert list(dead_links(ROOT)) == []


def test_dead_links_are_found(tmp_path: Path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "README.md").write_text("[a](docs/a.md) [b](docs/b.md#two-words) [c](https://example.org/none)\n")
    (tmp_path / "docs" / "b.md").write_text("# B\n\n## Two words\n\n[d](#three) [e](../README.md) `[f](g.md)`\n")

    assert list(dead_links(tmp_path)) == [
        "README.md: docs/a.md: there is no such file",
        "docs/b.md: #three: there is no such heading",
    ]


def test_index_links_to_every_page():
    linked = re.findall(r"\]\((\w[\w-]*\.md)\)", (ROOT / "docs" / "index.md").read_text())

    assert sorted({*linked, "index.md"}) == sorted(page.name for page in (ROOT / "docs").glob("*.md"))


@pytest.mark.parametrize("page", ["docs/architecture.md", "docs/testing.md", "SECURITY.md"])
def test_files_that_a_page_names_exist(page: str):
    named = re.findall(r"`((?:critique_graph|nodes|trainers|tests|docs)/[\w./]+)`", (ROOT / page).read_text())

    assert named
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_walks_name_every_file_once():
    page = (ROOT / "docs" / "architecture.md").read_text()
    walks = page.partition("## Three walks")[2].split("\n### ")[1:]
    assert len(walks) == 3
    for walk in walks:
        named = re.findall(r"`((?:critique_graph|nodes|trainers)/[\w/]+\.py)`", walk)
        assert len(named) >= 6
        assert len(named) == len(set(named))


def test_tour_and_tutorial_have_the_same_commands():
    script, page = (
        path.read_text().replace("\\\n", "") for path in (ROOT / "examples" / "tour.sh", ROOT / "docs" / "tutorial.md")
    )
    for name, value in re.findall(r"(\w+)=\$\{TOUR_\w+:-(\d+)\}", script):
        script = script.replace(f'"${name}"', value)

    commands = [
        " ".join(line.replace("--quiet", "").split()) for line in re.findall(r"^critique-graph .*", script, re.M)
    ]
    shown = [" ".join(line.split()) for line in page.splitlines()]
    assert commands
    assert [command for command in commands if command not in shown] == []


@pytest.mark.slow
def test_tour_runs(tmp_path: Path):
    bin_folder = Path(sys.executable).parent
    short = {"TOUR_LIMIT": "10", "TOUR_TEST": "4", "TOUR_STEPS": "2", "PATH": f"{bin_folder}:{os.environ['PATH']}"}

    tour = subprocess.run(
        ["bash", str(ROOT / "examples" / "tour.sh"), str(tmp_path / "tour")],
        env=os.environ | short,
        capture_output=True,
        text=True,
    )

    assert tour.returncode == 0, tour.stderr
    assert f"the new critic is {tmp_path}/tour/critic" in tour.stdout
    assert (tmp_path / "tour" / "critic" / "model.safetensors").is_file()
