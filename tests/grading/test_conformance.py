"""Third-party gradings of real answers; every disagreement is named here with its reason."""

import json
from pathlib import Path

import pytest

from critique_graph.grading.grader import MathGrader

DATA = Path(__file__).parents[2] / ".." / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="public data sets are not beside the repository")

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


@needs_data
async def test_inspect_ai_cases_all_agree(grader: MathGrader) -> None:
    cases = json.loads((DATA / "grading/inspect_ai_math_cases.json").read_text(encoding="utf-8"))
    expected = {"C": "correct", "I": "incorrect"}

    grades = [await grader.grade(case["output"], case["target"]) for case in cases]

    assert len(cases) == 33
    assert [grade.outcome for grade in grades] == [expected[case["expected"]] for case in cases]


@needs_data
async def test_realcritic_extracted_answers_all_agree(grader: MathGrader) -> None:
    rows = read_lines("recorded/realcritic_gsm8k.jsonl")

    grades = [await grader.grade(str(row["pred"]), str(row["gt"])) for row in rows]

    assert len(rows) == 273
    assert [[grade.is_correct] for grade in grades] == [row["previous_score"] for row in rows]


@needs_data
async def test_realcritic_whole_responses_agree_but_for_the_named(grader: MathGrader) -> None:
    rows = read_lines("recorded/realcritic_gsm8k.jsonl")

    grades = {row["idx"]: await grader.grade(str(row["reasoning"]), str(row["answer"])) for row in rows}

    disagreements = {row["idx"] for row in rows if [grades[row["idx"]].is_correct] != row["previous_score"]}
    assert disagreements == set(REALCRITIC_UNREAD)
    assert {grades[index].reason for index in REALCRITIC_UNREAD} == {"no_answer"}


@needs_data
async def test_qwen_responses_agree_but_for_the_named(grader: MathGrader) -> None:
    disagreements = set()
    for row in read_lines("recorded/qwen_math_cot_100x8.jsonl"):
        for sample, (response, score) in enumerate(zip(row["code"], row["score"], strict=True)):
            grade = await grader.grade(response, str(row["answer"]))
            if grade.is_correct != score:
                disagreements.add((row["idx"], sample))

    assert disagreements == set(QWEN_MISGRADED)


@needs_data
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


# Math-Verify's own cases on which we differ, by their number, with the reason.
UNSTATED = "no box, label or statement: nothing is presented as the answer"
MATH_VERIFY_DIFFERS = {
    **dict.fromkeys((7, 12, 13, 14, 85, 88, 113, 114, 115, 116, 117, 118, 135, 136, 137, 157), UNSTATED),
    **dict.fromkeys((84, 86, 87, 91), "a sentence about a formula that is called a solution, not an answer"),
    29: "their case expects that a formula on a line of its own is not read; it is the answer",
    32: r"a formula that is broken off by '\$'",
    104: "an equation of four sides, one of them unknown, gives no value",
    127: "two decimal places do not stand for a fraction: six do",
    133: "four decimal places do not stand for a fraction: six do",
    150: "the label is followed by a sentence that has the number in its middle",
    183: "two boxes in text that is not a list: the last one is read",
    208: "two equations joined by a word without spaces",
    240: "boxes with words between them are no list: the last one is read",
    251: "their case expects that 1 - 1/e and 1 + 1/e are equal",
}


async def test_math_verify_cases_agree_but_for_the_named(grader: MathGrader) -> None:
    cases = json.loads((Path(__file__).parent / "math_verify_cases.json").read_text(encoding="utf-8"))["cases"]

    grades = [await grader.grade(case["prediction"], case["gold"]) for case in cases]

    differing = {n for n, case in enumerate(cases) if grades[n].is_correct != case["expected"]}
    assert len(cases) == 256
    assert differing == set(MATH_VERIFY_DIFFERS)
    assert [n for n in differing if grades[n].is_correct] == [29]
