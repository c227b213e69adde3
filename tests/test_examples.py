"""Every example runs, on the miniature, and stays short."""

import re
import runpy
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))
PRINTS = {
    "at_k": r"k =  1: pass@k \d+%, maj@k \d+%[\s\S]*k = 16",
    "chat_node": r"The answer is 66\.",
    "checkpoint": r"chains kept: 1, unfinished tasks: 0",
    "code_task": r"incorrect: failed: assert largest\(\[\]\) is None: ValueError[\s\S]*\ncorrect: passed\naccuracy 0",
    "embed": r"answer 18 by majority vote, ([4-9]|1[0-2]) calls",
    "generate": r"final answer: Wrong[\s\S]*kept [1-9]\d* critiques: [\s\S]*[2-4] of [2-4] refinements",
    "human_critic": r"<response>[\s\S]*answer: 26",
    "improve": r"resume\nevaluate\nexplore\nselect\ntrain\nevaluate\nkept [1-9]\d* direct and [\s\S]*best: iter",
    "own_models": r"actor: [4-8] calls, \d+ tokens read[\s\S]*critic: [4-8] calls[\s\S]*answer: 22",
    "own_task": r"answer: 14:45, correct, after 2 critiques",
    "run_set": r"12 of 12 problems done, [\d,]+ tokens\naccuracy [\s\S]*coins: 22, which is correct",
    "stream": r"response: [\s\S]*critique: [\s\S]*answer: 24",
    "talk": r"(Correct|Wrong)\.[\s\S]*talks kept: [1-4] of 4",
    "tool": r"^23$",
}
"""What each prints, with the answer to its question, which has so few steps that the miniature answers it."""


def test_every_example_has_an_expected_print():
    assert [path.stem for path in EXAMPLES] == sorted(PRINTS)


SLOW = {"improve"}
CONFINED = {"code_task"}
"""Examples that run programs of models."""


@pytest.mark.parametrize(
    "path",
    [pytest.param(path, marks=pytest.mark.slow if path.stem in SLOW else ()) for path in EXAMPLES],
    ids=lambda path: path.stem,
)
def test_example_runs(
    path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
):
    if path.stem in CONFINED:
        request.getfixturevalue("sandbox")
    monkeypatch.setattr(sys, "argv", [str(path)])

    runpy.run_path(str(path), run_name="__main__")

    assert re.search(PRINTS[path.stem], capsys.readouterr().out.strip())


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_is_short_and_says_how_to_run_it(path: Path):
    text = path.read_text()
    assert len(text.splitlines()) < 60
    assert f"python examples/{path.name}" in text
