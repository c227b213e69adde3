"""Every example runs, on the miniature, and stays short."""

import re
import runpy
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))
PRINTS = {
    "at_k": r"k =  1: pass@k \d+%, maj@k \d+%[\s\S]*k = 16",
    "chat_node": r"The answer is \S+\.",
    "checkpoint": r"chains kept: 1, unfinished tasks: 0",
    "embed": r"answer \S+ by majority vote, [4-9]|1[0-2] calls",
    "human_critic": r"<response>[\s\S]*answer: \d+",
    "improve": r"resume\nevaluate\nexplore\nselect\ntrain\nevaluate\nkept [1-9]\d* direct and [\s\S]*best: iter",
    "stream": r"response: [\s\S]*critique: [\s\S]*answer: ",
    "talk": r"(Correct|Wrong)\.[\s\S]*talks kept: [1-4] of 4",
    "tool": r"\S+",
}


def test_every_example_has_an_expected_print():
    assert [path.stem for path in EXAMPLES] == sorted(PRINTS)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_runs(path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "argv", [str(path)])

    runpy.run_path(str(path), run_name="__main__")

    assert re.search(PRINTS[path.stem], capsys.readouterr().out)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_is_short_and_says_how_to_run_it(path: Path):
    text = path.read_text()
    assert len(text.splitlines()) < 60
    assert f"python examples/{path.name}" in text
