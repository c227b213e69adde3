"""Tasks: their names, their wording, their steps."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from critique_graph.core.errors import InputError
from critique_graph.core.prompts import DEFAULT_PROMPTS, Prompts
from critique_graph.graphs.prompts import data_prompts, prompts_hash, talk_prompts
from critique_graph.tasks.choice import CHOICE
from critique_graph.tasks.shipped import SHIPPED, read_task
from critique_graph.tasks.task import MATH

OWN = """
from critique_graph import FunctionGrader, Task
words = Task(name="words", grader=FunctionGrader(read=str.strip, is_correct=lambda answer, gold: answer == gold))
number = 3
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "own_words.py").write_text(OWN)
    (tmp_path / "broken_words.py").write_text("1 / 0")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    sys.modules.pop("own_words", None)


def test_shipped_tasks_are_found_by_name():
    assert list(SHIPPED) == ["math", "choice", "exact", "regex", "code", "code-seen-tests"]
    assert [read_task(name) for name in SHIPPED] == list(SHIPPED.values())
    assert read_task(CHOICE) is CHOICE


def test_own_task_has_the_name_that_it_was_asked_for_by(own: Path):
    task = read_task("own_words:words")

    assert task.name == "own_words:words"
    assert task.grader.extract(" seven ") == "seven"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "chess",
            f"there is no task 'chess'; those that ship are {', '.join(SHIPPED)}, rubric:MODEL. Your own is",
        ),
        ("own_words:none", "task own_words:none: there is no such object; it must be a critique_graph.Task"),
        ("own_words:number", "it is a int; it must be a critique_graph.Task"),
        ("no_words:words", "no_words cannot be imported: No module named 'no_words'"),
        ("broken_words:words", "broken_words cannot be imported: division by zero"),
        (":words", "cannot be imported"),
    ],
)
def test_task_that_does_not_exist_is_one_line(own: Path, name: str, message: str):
    with pytest.raises(InputError) as raised:
        read_task(name)

    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_mathematics_asks_in_the_default_wording():
    assert MATH.worded(DEFAULT_PROMPTS) == DEFAULT_PROMPTS
    assert prompts_hash(data_prompts(MATH.worded(DEFAULT_PROMPTS))) == prompts_hash(data_prompts())
    assert prompts_hash(talk_prompts(MATH.worded(DEFAULT_PROMPTS))) == prompts_hash(talk_prompts())


def test_choice_asks_for_a_letter_and_for_no_box():
    wording = CHOICE.worded(DEFAULT_PROMPTS)

    for node in ("solve", "refine", "smooth"):
        ask = getattr(wording, node).ask
        assert ask.endswith("The answer is (LETTER).")
        assert "boxed" not in ask
    assert wording.critique == DEFAULT_PROMPTS.critique


def test_wording_of_a_user_goes_before_that_of_the_task():
    mine = Prompts.model_validate({"solve": {"ask": "{{problem}} Go!"}})

    wording = CHOICE.worded(mine)

    assert wording.solve.ask == "{{problem}} Go!"
    assert wording.refine == CHOICE.prompts.refine


def test_own_steps_are_slices_in_order():
    clauses = replace(MATH, name="clauses", split=lambda text: text.split("; "))
    swapped = replace(MATH, name="swapped", split=lambda text: text.split("; ")[::-1])

    assert MATH.own_steps("a; b") is None
    assert clauses.own_steps("a; b") == ("a", "b")
    with pytest.raises(ValueError, match="task swapped: a step is no slice of the response, or out of order: 'a'"):
        swapped.own_steps("a; b")
