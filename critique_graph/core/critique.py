"""Read and write the critic's text.

    Step sentence: <the step, repeated>
    Correctness of the step: Correct|Wrong
    Explanation: <why>

    Correctness of the final answer: Correct|Wrong
    Explanation: <why>

Critics are language models, so reading is tolerant; warnings say what had to be tolerated.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from critique_graph.core.alignment import align_with
from critique_graph.core.critique_labels import Label, find_labels, read_verdict, without_labels
from critique_graph.core.schema import Critique, StepVerdict, Verdict
from critique_graph.core.steps import split_steps

_INLINE_EXPLANATION = re.compile(r"\bexplanation[*_ \t]{0,4}[:\uff1a][*_]{0,3}[ \t]*+", re.IGNORECASE)
_ANSWER = re.compile(r"\bthe\s(?:final\s)?answer\sis\b|\\boxed\b", re.IGNORECASE)
_ANSWER_LINE = re.compile(
    r"[*_(\"]{0,3}(?:(?:so|thus|hence|therefore),?\s)?the\s(?:final\s)?answer\sis\b.{1,80}", re.IGNORECASE
)

_INCOMPLETE = {
    "conflicting_final_verdicts",
    "conflicting_step_verdicts",
    "explanation_missing",
    "final_verdict_missing",
    "step_sentence_missing",
    "step_verdict_missing",
    "too_many_labels",
    "verdict_unreadable",
}
_CONTENT = {"final_contradicts_steps", "step_not_aligned"}


@dataclass
class _Block:
    """A block of the critique, about a step or about the final answer."""

    is_final: bool = False
    text: str = ""
    number: int | None = None
    verdicts: list[Verdict | None] = field(default_factory=list)
    explanations: list[str] = field(default_factory=list)

    @property
    def explanation(self) -> str:
        return "\n".join(self.explanations).strip() if self.explanations else ""

    @property
    def verdict(self) -> Verdict | None:
        """None when the verdict is missing or unreadable, or when both verdicts were given."""
        if len(self.verdicts) == 1:
            return self.verdicts[0]
        verdicts: set[Verdict] = {verdict for verdict in self.verdicts if verdict}
        return verdicts.pop() if len(verdicts) == 1 else None


def parse_critique(
    text: str, response: str | None = None, *, steps: Sequence[str] | None = None, has_reasoning: bool = True
) -> Critique:
    """Read a critique: each step's verdict and explanation, and the final verdict. Never fails; linear time.

    With `response`, the critique's steps are aligned with the steps of the response, or with `steps` if the response
    was given as a list of steps. Verdict lines that the response itself contains are not read as the critic's verdicts
    where the critic only repeats them. Reasoning, such as a `<think>` block at the beginning, is not read; without
    `has_reasoning`, it was split off already, and a tag in the text is a quotation.

    A verdict is wrong if it contains wrong or incorrect anywhere ("Correct, but wrong in context"), unless that is
    negated ("no errors", "nothing wrong"). If there are several final blocks, the last one counts; if they contradict
    each other, none counts and `final` is None. A missing final verdict is derived from the steps: wrong if one is
    wrong, correct if all are; `quality` is `partial`.

    Warnings about the format (none if `quality` is `nominal`):

    - `answer_step_folded`: an answer sentence without its own verdict was moved into the final block.
    - `conflicting_final_verdicts`, `conflicting_step_verdicts`: both verdicts were given, so none counts.
    - `explanation_missing`, `step_sentence_missing`, `step_verdict_missing`, `final_verdict_missing`.
    - `explanation_misplaced`: the explanation has no label, is in two parts, or comes before any step.
    - `final_verdict_derived`: the final verdict was missing and is derived from the steps.
    - `final_verdict_repeated`: there are several final blocks; the last one's explanation is kept.
    - `invalid_unicode`: lone surrogates were replaced by question marks.
    - `layout`: spacing, labels or markup differ from the format.
    - `reasoning_removed`: there was reasoning before the critique.
    - `text_before_critique`: text before the critique was not read.
    - `too_many_labels`: the text after the last permitted label was not read.
    - `verdict_quoted`: a verdict line repeated from the response was read as text.
    - `verdict_unreadable`: the verdict is neither correct nor wrong, or both, as in the instruction.
    - `verdict_wording`: the verdict is more than just `Correct` or `Wrong`.

    The node that asks for a critique adds `asked_again` (earlier ones could not be read),
    `verdicts_given` and `truncated`.

    Warnings about the content:

    - `final_contradicts_steps`: correct although a step is wrong, or wrong although all steps are correct.
    - `step_not_aligned`: a step does not match any step of the response.
    """
    warnings: set[str] = set()
    if not _is_unicode(text):
        text = text.encode(errors="replace").decode()
        warnings.add("invalid_unicode")
    blocks = _blocks(find_labels(text, response, warnings, has_reasoning=has_reasoning), warnings)
    judged = [block for block in blocks if not block.is_final]
    finals = [block for block in blocks if block.is_final]
    _check_steps(judged, warnings)
    if steps is None and response is not None and judged:
        steps = split_steps(response)
    verdicts = _step_verdicts(judged, steps, warnings)
    critique = Critique(
        text=text,
        steps=verdicts,
        final=_final_verdict(verdicts, finals, warnings),
        final_explanation=finals[-1].explanation if finals else "",
        first_error=next((index for index, step in enumerate(verdicts) if step.verdict == "wrong"), None),
    )
    if not warnings - _CONTENT and render_critique(critique) != text.rstrip("\n"):
        warnings.add("layout")
    quality = _quality(critique, warnings)
    return critique.model_copy(update={"warnings": tuple(sorted(warnings)), "quality": quality})


def render_critique(critique: Critique) -> str:
    """Write a critique in the format; `parse_critique` reads it back unchanged if nothing is missing.

    A missing verdict or explanation is left out. A field that contains something like a label is put on one line, so
    that it cannot be read as a label.
    """
    texts = [
        _rendered("Step sentence", step.text, "Correctness of the step", step.verdict, step.explanation)
        for step in critique.steps
    ]
    texts.append(_rendered("", "", "Correctness of the final answer", critique.final, critique.final_explanation))
    return "\n\n".join(filter(None, texts))


def _rendered(heading: str, sentence: str, question: str, verdict: Verdict | None, explanation: str) -> str:
    parts = [f"{heading}: {without_labels(sentence)}"] if sentence else []
    if verdict:
        parts.append(f"{question}: {verdict.capitalize()}")
    if explanation:
        parts.append(f"Explanation: {without_labels(explanation)}")
    return "\n".join(parts)


def critique_in_prose(critique: Critique) -> str:
    """Say a critique in sentences; one that cannot be read is given as it was written.

    It is shorter than the fixed format, since only the steps that are wrong are repeated.
    """
    if not critique.is_readable:
        return critique.text
    sentences = [
        f"Step {1 + (step.step_index or 0)}{f' ({step.text})' if step.verdict == 'wrong' else ''} is {step.verdict}: "
        f"{step.explanation}"
        for step in critique.steps
    ]
    return "\n".join([*sentences, f"The final answer is {critique.final}: {critique.final_explanation}"])


def _blocks(labels: list[Label], warnings: set[str]) -> list[_Block]:
    """Combine the labelled parts into one block for each step and for the final answer."""
    blocks: list[_Block] = []
    for label in labels:
        current = blocks[-1] if blocks else None
        match label.kind:
            case "sentence":
                blocks.append(_Block(text=label.value, number=label.number))
            case "step":
                if current is None or current.is_final or (current.verdicts and current.explanations):
                    current = _Block()
                    blocks.append(current)
                _add_verdict(current, label.value, warnings)
            case "final":
                if current is not None and not current.is_final:
                    _fold_answer(blocks, warnings)
                blocks.append(_Block(is_final=True))
                _add_verdict(blocks[-1], label.value, warnings)
            case "explanation":
                if current is None or current.explanations:
                    warnings.add("explanation_misplaced")
                if current is not None and label.value:
                    current.explanations.append(label.value)
    return blocks


def _add_verdict(block: _Block, value: str, warnings: set[str]) -> None:
    wording, _, rest = value.partition("\n")
    inline = _INLINE_EXPLANATION.search(wording)
    if inline:
        rest = f"{wording[inline.end() :]}\n{rest}"
        wording = wording[: inline.start()].strip()
        warnings.add("layout")
    elif rest:
        warnings.add("explanation_misplaced")
    verdict = read_verdict(wording)
    if verdict is None:
        warnings.add("verdict_unreadable")
    elif wording != verdict.capitalize():
        warnings.add("verdict_wording")
    block.verdicts.append(verdict)
    if rest.strip():
        block.explanations.append(rest)


def _fold_answer(blocks: list[_Block], warnings: set[str]) -> None:
    """Move an answer sentence without its own verdict out of the last step: the final block judges it."""
    step = blocks[-1]
    explanation, _, last_line = step.explanation.rpartition("\n")
    if not step.verdicts and not step.explanations and _ANSWER.search(step.text):
        blocks.pop()
    elif explanation and _ANSWER_LINE.fullmatch(last_line):
        step.explanations = [explanation]
    else:
        return
    warnings.add("answer_step_folded")


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _check_steps(steps: list[_Block], warnings: set[str]) -> None:
    for step in steps:
        if not step.text:
            warnings.add("step_sentence_missing")
        if not step.verdicts:
            warnings.add("step_verdict_missing")
        elif {"correct", "wrong"} <= set(step.verdicts):
            warnings.add("conflicting_step_verdicts")
        if not step.explanation:
            warnings.add("explanation_missing")


def _step_verdicts(judged: list[_Block], steps: Sequence[str] | None, warnings: set[str]) -> tuple[StepVerdict, ...]:
    indices: Sequence[int | None] = [None] * len(judged)
    if steps is not None and judged:
        indices = [
            step.number - 1 if step.number and not step.text and step.number <= len(steps) else index
            for step, index in zip(judged, align_with([step.text for step in judged], steps), strict=True)
        ]
        if None in indices:
            warnings.add("step_not_aligned")
    return tuple(
        StepVerdict(text=step.text, verdict=step.verdict, explanation=step.explanation, step_index=index)
        for step, index in zip(judged, indices, strict=True)
    )


def _final_verdict(steps: Sequence[StepVerdict], finals: list[_Block], warnings: set[str]) -> Verdict | None:
    step_verdicts = {step.verdict for step in steps}
    derived: Verdict | None = None
    if "wrong" in step_verdicts:
        derived = "wrong"
    elif step_verdicts == {"correct"}:
        derived = "correct"
    if not finals:
        warnings.add("final_verdict_missing")
        if derived:
            warnings.add("final_verdict_derived")
        return derived
    if not finals[-1].explanation:
        warnings.add("explanation_missing")
    if len(finals) > 1:
        warnings.add("final_verdict_repeated")
    verdicts: set[Verdict] = {verdict for final in finals for verdict in final.verdicts if verdict}
    if len(verdicts) > 1:
        warnings.add("conflicting_final_verdicts")
        return None
    verdict = next(iter(verdicts), None)
    if verdict and derived and verdict != derived:
        warnings.add("final_contradicts_steps")
    return verdict


def _quality(critique: Critique, warnings: set[str]) -> Literal["nominal", "tolerated", "partial", "unparsed"]:
    if critique.final is None and all(step.verdict is None for step in critique.steps):
        return "unparsed"
    if warnings & _INCOMPLETE:
        return "partial"
    return "tolerated" if warnings - _CONTENT else "nominal"
