import sys
from pathlib import Path

import pytest
from pools import pool

from critique_graph.compare.comparison import Comparison
from critique_graph.compare.equal_cost import compare_traces
from critique_graph.compare.plot import check_plot, plot_comparison
from critique_graph.core.errors import MissingDependencyError
from critique_graph.grading.grader import MathGrader


@pytest.fixture
async def comparison() -> Comparison:
    traces = [
        pool(("1", "correct", "2"), ("2", "wrong", "1"), ("2", "wrong", "1"), name="a", greedy="1"),
        pool(("1", "correct", "1"), ("1", "wrong", "2"), ("3", None, "1"), name="b", greedy="2"),
    ]
    return await compare_traces(traces, grader=MathGrader(), seconds=1.0, run="runs/a")


@pytest.mark.parametrize(("ending", "begins"), [(".svg", b"<?xml"), (".png", b"\x89PNG"), (".pdf", b"%PDF")])
def test_picture_is_of_the_kind_its_ending_says(comparison: Comparison, tmp_path: Path, ending: str, begins: bytes):
    pytest.importorskip("matplotlib")
    path = tmp_path / f"curve{ending}"
    plot_comparison(comparison, path)

    assert path.read_bytes().startswith(begins)


def test_missing_matplotlib_is_one_line_that_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)

    with pytest.raises(MissingDependencyError, match=r"--plot needs matplotlib: .*critique-graph\[report\]"):
        check_plot(tmp_path / "curve.svg")
