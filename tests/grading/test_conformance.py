"""Third-party gradings of real answers; every disagreement is named here with its reason."""

import json
from pathlib import Path

import pytest

from critique_graph.grading.grader import MathGrader

DATA = Path(__file__).parents[2] / ".." / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="public data sets are not beside the repository")

REALCRITIC_UNREAD = {
    0: "ends in 'So, James runs a total of 540 meters a week.': no box and no stated answer, so none is read",
}
QWEN_MISGRADED = {
    **{
        (3, sample): r"'4:30 p.m.' was answered, as the gold says: the recorded grader read '4:30'"
        for sample in range(8)
    },
    (72, 7): r"the recorded grader did not read the gold '10{,}000' as the 10000 that was answered",
}


def read_lines(name: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in (DATA / name).read_text(encoding="utf-8").splitlines()]


async def test_inspect_ai_cases_all_agree(grader: MathGrader) -> None:
    cases = json.loads((DATA / "grading/inspect_ai_math_cases.json").read_text(encoding="utf-8"))
    expected = {"C": "correct", "I": "incorrect"}

    grades = [await grader.grade(case["output"], case["target"]) for case in cases]

    assert len(cases) == 33
    assert [grade.outcome for grade in grades] == [expected[case["expected"]] for case in cases]


async def test_realcritic_extracted_answers_all_agree(grader: MathGrader) -> None:
    rows = read_lines("recorded/realcritic_gsm8k.jsonl")

    grades = [await grader.grade(str(row["pred"]), str(row["gt"])) for row in rows]

    assert len(rows) == 273
    assert [[grade.is_correct] for grade in grades] == [row["previous_score"] for row in rows]


async def test_realcritic_whole_responses_agree_but_for_the_named(grader: MathGrader) -> None:
    rows = read_lines("recorded/realcritic_gsm8k.jsonl")

    grades = {row["idx"]: await grader.grade(str(row["reasoning"]), str(row["answer"])) for row in rows}

    disagreements = {row["idx"] for row in rows if [grades[row["idx"]].is_correct] != row["previous_score"]}
    assert disagreements == set(REALCRITIC_UNREAD)
    assert {grades[index].reason for index in REALCRITIC_UNREAD} == {"no_answer"}


async def test_qwen_responses_agree_but_for_the_named(grader: MathGrader) -> None:
    disagreements = set()
    for row in read_lines("recorded/qwen_math_cot_100x8.jsonl"):
        for sample, (response, score) in enumerate(zip(row["code"], row["score"], strict=True)):
            grade = await grader.grade(response, str(row["answer"]))
            if grade.is_correct != score:
                disagreements.add((row["idx"], sample))

    assert disagreements == set(QWEN_MISGRADED)


async def test_math500_gold_answers_equal_themselves_in_other_spellings(grader: MathGrader) -> None:
    golds = [str(row["answer"]) for row in read_lines("math/math500.jsonl")]

    differing = [
        spelling
        for gold in golds
        for spelling in (
            f"${gold}$.",
            rf"\boxed{{{gold}}}",
            gold.replace(r"\frac", r"\dfrac"),
            gold.replace(" ", "~"),
        )
        if not (await grader.grade(spelling, gold)).is_correct
    ]

    assert differing == []
