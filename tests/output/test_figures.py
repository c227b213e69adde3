import csv
import math
import re
import sys
from itertools import combinations
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

pytest.importorskip("matplotlib")
from matplotlib.transforms import Bbox

from critique_graph.core.errors import InputError, MissingDependencyError
from critique_graph.output.figures import LineFigure, Point, check_figure, draw_figure, write_figure

EQUAL = ("a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k")
SVG = "{http://www.w3.org/2000/svg}"


def figure_of(*points: Point, **more: Any) -> LineFigure:
    return LineFigure(title="B beats A", note="2 problems", x="tokens", y="accuracy", points=points, **more)


TWO = figure_of(
    Point("A", 100, 0.5, 0.4, 0.6),
    Point("A", 200, 0.6, 0.5, 0.7),
    Point("A", 800, 0.7, 0.6, 0.8),
    Point("B", 300, 0.75),
    findings=["A"],
    is_cost=True,
)


def drawn_points(figure: LineFigure) -> dict[str, list[tuple[float, ...]]]:
    (axes,) = draw_figure(figure).axes
    return {line.get_gid(): [tuple(p) for p in line.get_xydata()] for line in axes.lines if line.get_gid()}


def labels_of(figure: LineFigure) -> list[Any]:
    drawn = draw_figure(figure)
    drawn.draw_without_rendering()
    return [text for text in drawn.axes[0].texts if text.get_text()]


def test_figure_has_the_points_of_its_rows():
    assert drawn_points(TWO) == {"A": [(100, 0.5), (200, 0.6), (800, 0.7)], "B": [(300, 0.75)]}


def test_csv_has_every_row_and_interval(tmp_path: Path):
    write_figure(TWO, tmp_path / "a.svg")

    with (tmp_path / "a.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [
            ["line", "tokens", "accuracy", "low", "high"],
            ["A", "100", "0.5", "0.4", "0.6"],
            ["A", "200", "0.6", "0.5", "0.7"],
            ["A", "800", "0.7", "0.6", "0.8"],
            ["B", "300", "0.75", "", ""],
        ]


def test_line_in_the_svg_is_where_its_numbers_are_on_a_log_axis(tmp_path: Path):
    write_figure(TWO, tmp_path / "a.svg")

    root = ElementTree.fromstring((tmp_path / "a.svg").read_text())
    (group,) = (element for element in root.iter(f"{SVG}g") if element.get("id") == "A")
    path = next(iter(group.iter(f"{SVG}path"))).attrib["d"]
    (x0, y0), (x1, y1), (x2, y2) = ((float(x), float(y)) for x, y in re.findall(r"[ML] ([\d.]+) ([\d.]+)", path))
    assert (x1 - x0) / (x2 - x0) == pytest.approx(math.log(200 / 100) / math.log(800 / 100), abs=1e-3)
    assert (y1 - y0) / (y2 - y0) == pytest.approx((0.6 - 0.5) / (0.7 - 0.5), abs=1e-3)


def test_lines_of_the_finding_alone_have_bands():
    (axes,) = draw_figure(TWO).axes
    (band,) = axes.collections
    assert band.get_datalim(axes.transData).extents == pytest.approx([100, 0.4, 800, 0.8])


def test_no_two_of_eleven_lines_look_alike_without_colour():
    lines = draw_figure(figure_of(*(Point(name, x, x) for name in EQUAL for x in (1, 2)))).axes[0].lines
    assert len({line.get_marker() for line in lines}) == len(EQUAL)
    assert len({(line.get_color(), str(line._dash_pattern)) for line in lines}) == len(EQUAL)


def test_names_of_lines_that_end_at_one_place_are_moved_apart():
    labels = labels_of(figure_of(*(Point(name, x, 0.5) for name in EQUAL for x in (1, 2))))
    assert [text.get_text() for text in labels] == list(EQUAL)
    boxes = [text.get_window_extent() for text in labels]
    covered = [Bbox.intersection(a, b) for a, b in combinations(boxes, 2)]
    # Letters do not fill their line, so that the lines may touch.
    assert all(box is None or box.height < 0.25 * boxes[0].height for box in covered)


@pytest.mark.parametrize("number", [2, 5, 11])
def test_names_stay_on_the_page(number: int):
    labels = labels_of(
        figure_of(*(Point(f"a strategy of number {n}", x, n / 20) for n in range(number) for x in (1, 2)))
    )
    page = labels[0].figure.bbox
    assert all(page.x0 <= (box := text.get_window_extent()).x0 and box.x1 <= page.x1 for text in labels)


def test_text_of_others_is_not_read_as_formula_or_markup(tmp_path: Path):
    name = "$\\frac{<script>\u202e"
    write_figure(figure_of(Point(name, 1, 0.5), Point("=1+1", 2, 0.5)), tmp_path / "a.svg")

    svg = (tmp_path / "a.svg").read_text()
    assert "<script" not in svg
    assert "\u202e" not in svg
    assert "'=1+1,2" in (tmp_path / "a.csv").read_text()


def test_same_numbers_give_the_same_files(tmp_path: Path):
    for name in ("a", "b"):
        write_figure(TWO, tmp_path / f"{name}.pdf")

    for ending in ("svg", "png", "csv", "pdf"):
        assert (tmp_path / f"a.{ending}").read_bytes() == (tmp_path / f"b.{ending}").read_bytes()


def test_ending_and_folder_are_checked_first(tmp_path: Path):
    with pytest.raises(InputError, match=r"the ending must be one of \.svg, \.png, \.pdf"):
        check_figure(tmp_path / "a.gif")
    with pytest.raises(InputError, match="there is no folder"):
        check_figure(tmp_path / "none" / "a.svg")


def test_csv_of_others_is_not_replaced(tmp_path: Path):
    (tmp_path / "problems.csv").write_text("question,answer\n1 + 1,2\n")
    with pytest.raises(InputError, match="its numbers would replace"):
        write_figure(TWO, tmp_path / "problems.svg")
    assert [file.name for file in tmp_path.iterdir()] == ["problems.csv"]

    for _ in range(2):
        write_figure(TWO, tmp_path / "curve.svg")


def test_missing_matplotlib_is_one_line_that_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)

    with pytest.raises(MissingDependencyError, match=r"--plot needs matplotlib: .*critique-graph\[report\]"):
        check_figure(tmp_path / "a.svg")
