import csv
import json
from pathlib import Path

import pytest
from hashed_model import addition_problems
from improving import Improving

from critique_graph.study.figures import write_figures
from critique_graph.study.run import run_study

PARTS = ["difficulty", "scaling", "stability", "sequential", "sizes"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("matplotlib")
    out = tmp_path_factory.mktemp("study")
    actors = [Improving(model="small", skill=40), Improving(model="large", skill=230)]
    run_study(
        addition_problems(12),
        out=out,
        actor=Improving(model="pair", skill=128),
        actors=actors,
        samples=3,
        chains=2,
        rounds=3,
        only=PARTS,
        plot=True,
    )
    return out


@pytest.mark.parametrize("part", PARTS)
def test_every_part_is_drawn_with_its_numbers(folder: Path, part: str):
    assert all((folder / "figures" / f"{part}{ending}").stat().st_size for ending in (".svg", ".png", ".csv"))


def test_numbers_of_a_figure_are_those_of_the_table(folder: Path):
    parts = json.loads((folder / "study.json").read_text())["parts"]
    tables = {part["part"]: part["tables"] for part in parts}
    with (folder / "figures" / "sequential.csv").open() as file:
        rows = list(csv.DictReader(file))
    drawn = [(float(row["calls per problem"]), float(row["correct"])) for row in rows if row["line"] == "last round"]

    assert drawn == [(row["calls"], row["last_round"]) for row in tables["sequential"]["curve"]]


def test_readme_shows_the_figures(folder: Path):
    assert "![Scaling](figures/scaling.svg)" in (folder / "README.md").read_text()


def test_nothing_found_is_not_drawn(tmp_path: Path):
    assert write_figures([], tmp_path) == []
