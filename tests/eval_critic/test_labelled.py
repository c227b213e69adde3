import json
from pathlib import Path

import pytest

from critique_graph.core.errors import InputError
from critique_graph.eval_critic.labelled import Case, exact_case, labelled_problems, miniature_cases
from critique_graph.metrics.judgement import NO_ERROR
from critique_graph.miniature.solutions import corrupt_response, gold_response, lengthened_response, shortened_response
from critique_graph.problems.labelled import LabelledProblem

ROW = {"id": "gsm8k-0", "generator": "m", "problem": "What?", "steps": ["First.", "Then\nthis."], "label": 1}


def write(path: Path, *rows: dict[str, object]) -> str:
    path.write_text(json.dumps(rows))
    return str(path)


def test_processbench_rows_keep_their_own_steps(tmp_path: Path):
    path = write(tmp_path / "a.json", ROW, {**ROW, "id": "gsm8k-1", "label": -1})

    assert list(labelled_problems((path,), limit=None, seed=0)) == [
        LabelledProblem(id="gsm8k-0", question="What?", source=path, steps=("First.", "Then\nthis."), label=1),
        LabelledProblem(id="gsm8k-1", question="What?", source=path, steps=("First.", "Then\nthis."), label=NO_ERROR),
    ]


def test_limit_is_of_every_file(tmp_path: Path):
    rows = [{**ROW, "id": f"{name}{i}"} for name in "ab" for i in range(3)]
    paths = (write(tmp_path / "a.json", *rows[:3]), write(tmp_path / "b.json", *rows[3:]))

    assert [problem.id for problem in labelled_problems(paths, limit=2, seed=0)] == ["a0", "a1", "b0", "b1"]


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([{**ROW, "label": 2}], "row 0: the field 'label' must be the 0-based index of a step, or -1, got '2'"),
        ([{**ROW, "label": None}], "'label' must be"),
        ([{**ROW, "steps": "First."}], "'steps' must be a list"),
        ([{**ROW, "steps": []}], "'steps' must be a list"),
        ([{**ROW, "problem": ""}], "there is no question"),
        ([{**ROW, "steps": ["\ud800"]}], "row 0: it holds a lone surrogate"),
        ([ROW, ROW], "the id 'gsm8k-0' is there already"),
        ([], "there are no responses"),
    ],
    ids=["label too large", "no label", "text", "no steps", "no question", "surrogate", "same id", "empty"],
)
def test_bad_rows_are_refused_by_place(rows: list[dict[str, object]], reason: str, tmp_path: Path):
    with pytest.raises(InputError, match=reason):
        list(labelled_problems((write(tmp_path / "a.json", *rows),), limit=None, seed=0))


def test_miniatures_responses_are_labelled_by_their_own_values():
    exercise = next(e for e in miniature_cases(20, seed=3).values() if len(e.operations) >= 4)
    gold = gold_response(exercise)
    flawed = corrupt_response(exercise, {1: "1 + 1 = 2"})

    assert exact_case(exercise, gold) == Case(tuple(gold.splitlines()), NO_ERROR)
    assert exact_case(exercise, flawed) == Case(tuple(flawed.splitlines()), 1)


def test_response_of_right_steps_and_a_wrong_answer_has_no_label():
    import random

    exercise = next(e for e in miniature_cases(20, seed=3).values() if len(e.operations) >= 4)
    for response in (shortened_response(exercise, random.Random(1)), lengthened_response(exercise, random.Random(1))):
        assert exact_case(exercise, response) is None
