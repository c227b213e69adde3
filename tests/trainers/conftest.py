from pathlib import Path

import compared_critiques
import pytest

from critique_graph.cli import run_command


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of `generate`; whoever needs it reads it alone."""
    pytest.importorskip("torch")
    run = tmp_path_factory.mktemp("runs") / "data"
    settings = ("--limit", "6", "--seed", "3", "--samples", "4", "--attempts", "2", "--refinements", "4", "--quiet")
    assert run_command(["generate", "miniature", "--out", str(run), *settings]) == 0
    return run


@pytest.fixture(scope="session")
def critiques_compared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of `compared_critiques`."""
    run = tmp_path_factory.mktemp("runs") / "critiques"
    compared_critiques.generate(run)
    return run
