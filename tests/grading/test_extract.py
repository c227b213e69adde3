import json
from pathlib import Path

import pytest

from critique_graph.grading.extract import extract_answer, extract_reference, read_answer

DATA = Path(__file__).parents[2] / ".." / "shared" / "data"


def read_lines(name: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in (DATA / name).read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        pytest.param(r"So \boxed{5}.", "5", id="box"),
        pytest.param(r"\boxed{4}. Wait: \boxed{5}", "5", id="last-box-wins"),
        pytest.param(r"\boxed{4}, so I write \boxed{}", "4", id="empty-box-is-none"),
        pytest.param(r"\boxed{4}, that is \boxed{5", "4", id="last-balanced-box"),
        pytest.param(r"\boxed{\frac{1}{\sqrt{2}}}", r"\frac{1}{\sqrt{2}}", id="nested-braces"),
        pytest.param(r"\boxed{\left\{1, 2\right\}}", r"\left\{1, 2\right\}", id="escaped-braces"),
        pytest.param(r"\boxed{\boxed{5}}", "5", id="nested-boxes"),
        pytest.param(r"{ \boxed{5} and }{ too", "5", id="stray-braces-around"),
        pytest.param(r"\fbox{7}", "7", id="fbox"),
        pytest.param(r"$\boxed 5$", "5", id="box-without-braces"),
        pytest.param(r"\\boxed{5}", "5", id="escaped-twice"),
        pytest.param(r"\beginboxed{8\sqrt{6}}", r"8\sqrt{6}", id="beginboxed"),
        pytest.param(r"\boxed{5} The answer is 6", "5", id="box-before-statement"),
        pytest.param("He makes $18.\n#### 18", "18", id="gsm8k"),
        pytest.param("#### 1,000\n", "1,000", id="gsm8k-thousands"),
        pytest.param("#### 3. Third step", None, id="markdown-heading"),
        pytest.param("The answer is 18.", "18", id="answer-is"),
        pytest.param("the ANSWER IS: 18", "18", id="case-and-colon"),
        pytest.param("The answer is 4. No, the answer is 5.", "5", id="last-statement-wins"),
        pytest.param("The answer is 3.5. I hope it helps.", "3.5", id="decimal-then-sentence"),
        pytest.param("The answer is $18 per day.", "18 per day", id="currency"),
        pytest.param("The answer is $\\frac{1}{2}$, as shown.", r"\frac{1}{2}", id="inline-formula"),
        pytest.param("The final answer is:\n\n$$42$$", "42", id="display-formula-on-next-line"),
        pytest.param(r"The answer is \(2\pi\).", r"2\pi", id="parenthesis-formula"),
        pytest.param("The answer is 12 because 3*4=12.", "12", id="reason-cut-off"),
        pytest.param("Final answer: 42", "42", id="final-answer-colon"),
        pytest.param("**Answer:** 42", "42", id="markdown-emphasis"),
        pytest.param("so 9 * 2 = 18\nA: 18", "18", id="line-opening-a"),
        pytest.param("So James runs 540 meters a week.", None, id="plain-sentence-has-no-answer"),
        pytest.param("The answer isn't clear.", None, id="answer-isnt"),
        # Stated in a sentence.
        pytest.param("The answer is 72, in total, so she earns that.", "72", id="aside"),
        pytest.param("The answer is 72!", "72", id="exclamation"),
        pytest.param("The answer is 72, and that is final.", "72", id="and-that-is-final"),
        pytest.param("The answer is 42. So the answer is correct.", "42", id="statement-about-the-answer"),
        pytest.param("So, the final answer is therefore 42.", "42", id="therefore"),
        pytest.param("The answer is approximately 3.14", "3.14", id="approximately"),
        pytest.param("The answer is `72`.", "72", id="code"),
        pytest.param("The answer is **72** dollars.", "72 dollars", id="emphasis-inside"),
        pytest.param("The answer is equal to $x+1$ here.", "x+1", id="equal-to"),
        pytest.param("The answer is $3$ or $5$.", "3, 5", id="two-formulas"),
        pytest.param("The answer is $x=3$, $y=5$.", "x=3, y=5", id="two-assignments"),
        pytest.param("The answer is Navin, Tom and Bob.", "Navin, Tom and Bob", id="list-of-names"),
        pytest.param("The answer is 5 when we halve it.", "5", id="when"),
        # Labels.
        pytest.param("We get 8 - 4.\n\n**Answer**: 4", "4", id="emphasised-label"),
        pytest.param("We get 8 - 4.\n\n**Final Answer**\n\n4", "4", id="heading"),
        pytest.param("## Answer\n\n$4$", "4", id="markdown-heading-as-label"),
        pytest.param("<answer>72</answer>", "72", id="tag"),
        pytest.param("<think>no</think><answer> The answer is 72. </answer>", "72", id="tag-with-a-statement"),
        pytest.param("so $\\boxed{E \\ll 3}$. Hence\n\n**Answer: D**", "D", id="label-after-a-box"),
        pytest.param("Answer: 3\nso \\boxed{4}", "4", id="label-before-a-box"),
        pytest.param("答案是72。", "72", id="chinese"),
        pytest.param("所以最终答案\uff1a72", "72", id="chinese-label"),
        # GSM8K.
        pytest.param("x\n#### 12 apples", "12", id="gsm8k-unit"),
        pytest.param("x\n#### **12**", "12", id="gsm8k-emphasis"),
        pytest.param("x\n#### 42 and that is it", "42", id="gsm8k-words"),
        pytest.param("x\n#### 3 1/2", "3 1/2", id="gsm8k-mixed"),
        pytest.param("x\n#### 10 000", "10 000", id="gsm8k-spaces"),
        pytest.param("x\n#### \u22127", "\u22127", id="gsm8k-minus"),
        pytest.param("x\n#### $12.50", "12.50", id="gsm8k-currency"),
        pytest.param("x\n#### 5 million", "5 million", id="gsm8k-multiplied"),
        pytest.param("x\n#### \\frac{1}{2}", r"\frac{1}{2}", id="gsm8k-latex"),
        pytest.param("x\n#### B", "B", id="gsm8k-choice"),
        pytest.param("#### Step 1: add", None, id="heading-of-a-step"),
        # Several boxes.
        pytest.param(r"\boxed{3}, \boxed{5} and \boxed{7}.", "3, 5, 7", id="listed-boxes"),
        pytest.param(r"$x=\boxed{2}$ or $x=\boxed{-2}$.", "2, -2", id="boxes-of-one-variable"),
        pytest.param("1. \\boxed{3}\n2. \\boxed{5}", "3, 5", id="numbered-boxes"),
        pytest.param("$$\\boxed{3}$$\n$$\\boxed{5}$$", "3, 5", id="boxes-in-displays"),
        pytest.param(r"\boxed{3}, or \boxed{3}", "3", id="same-box-twice"),
        pytest.param(r"\boxed{3} is wrong, it is \boxed{4}", "4", id="corrected-box"),
        # No answer.
        pytest.param(r"The answer is \boxed{ANSWER}.", None, id="placeholder"),
        pytest.param(r"\boxed{\text{your answer}}", None, id="placeholder-in-text"),
        pytest.param(r"\boxed{4}, as in \boxed{ANSWER}", "4", id="placeholder-after-a-box"),
        pytest.param(r"\boxed{\ldots}", None, id="ellipsis"),
        pytest.param("The answer is not known.", None, id="not-known"),
        # End tokens.
        pytest.param("The answer is 5.<|im_end|>", "5", id="end-token"),
        pytest.param("The answer is 5</s>", "5", id="end-tag"),
        pytest.param("The answer is", None, id="nothing-follows"),
        pytest.param("", None, id="empty"),
    ],
)
def test_answer_is_what_the_text_presents_as_one(text: str, answer: str | None) -> None:
    assert extract_answer(text) == answer


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        pytest.param("9 * 2 = <<9*2=18>>18\n#### 18", "18", id="gsm8k"),
        pytest.param(r"Thus $x=\boxed{\frac{3}{4}}$.", r"\frac{3}{4}", id="math-solution"),
        pytest.param(" 42 ", "42", id="bare"),
        pytest.param("$x^2$", "x^2", id="bare-formula"),
        pytest.param(
            "\\begin{pmatrix} 1 \\\\\n2 \\end{pmatrix}",
            "\\begin{pmatrix} 1 \\\\\n2 \\end{pmatrix}",
            id="bare-lines",
        ),
        pytest.param("  ", None, id="blank"),
    ],
)
def test_reference_is_read_from_gold_text(text: str, reference: str | None) -> None:
    assert extract_reference(text) == reference


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        pytest.param("42", "42", id="bare"),
        pytest.param("$42$.", "42", id="bare-formula"),
        pytest.param(r"So \boxed{5}", "5", id="response"),
        pytest.param("First, 3 + 4 = 7.\nThen 7 * 2 = 14.", None, id="lines-that-present-none"),
    ],
)
def test_a_single_line_is_its_own_answer(text: str, answer: str | None) -> None:
    assert read_answer(text) == answer


def test_long_answer_is_cut() -> None:
    answer = extract_answer(r"\boxed{" + "9" * 20_000 + "}")

    assert answer == "9" * 2_000


def test_answer_is_found_at_the_end_of_a_long_text() -> None:
    assert extract_answer("{" * 500_000 + r"\boxed{5}") == "5"


@pytest.mark.skipif(not DATA.is_dir(), reason="public data sets are not beside the repository")
def test_every_gsm8k_gold_answer_is_read() -> None:
    golds = [row["answer"] for row in read_lines("gsm8k/test.jsonl")]

    assert len(golds) == 1_319
    assert [extract_reference(gold) for gold in golds] == [gold.split("#### ")[1] for gold in golds]


@pytest.mark.skipif(not DATA.is_dir(), reason="public data sets are not beside the repository")
def test_every_math500_gold_answer_is_read_from_its_solution() -> None:
    rows = read_lines("math/math500.jsonl")

    def bare(answer: str) -> str:
        return answer.removesuffix(".").replace(" ", "")

    assert len(rows) == 500
    differing = [
        (row["unique_id"], extract_reference(row["solution"]), row["answer"])
        for row in rows
        if bare(extract_reference(row["solution"]) or "") != bare(row["answer"])
    ]
    # Two forms of one number, each in a box.
    assert differing == [("test/number_theory/459.json", r"15\frac{39}{40}, \frac{639}{40}", r"\frac{639}{40}")]
