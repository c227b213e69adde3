"""Reads and writes the released MathCritique format: an instruction with response and critique, and a refinement.

A record is `{"instruction", "input": "", "output"}`; the instruction is a conversation in the plain template of the
official code (`selfimprove/`, commit 569e62e).
"""

from collections.abc import Iterable, Iterator
from typing import Any, Literal

from critique_graph.core.errors import InputError
from critique_graph.core.schema import Record
from critique_graph.generate.dataset import CritiqueRow

AnswerForm = Literal["gsm8k", "math"]

_FORMS: dict[AnswerForm, str] = {
    "gsm8k": "'The answer is [your answer].'",
    "math": "'The answer is $\\boxed{[your answer]}$.'",
}
_ASK = "Please also give your final number in the format of "
_RESPONSE = "\n\nAssistant:"
_REFINE = (
    "\n<|end_of_text|>\nHuman: I have made a step-by-step critic for your solution. Please read the following critic "
    "and use this critic as a reference to provide a new detailed, step-by-step solution, including all reasoning and "
    "intermediate steps. "
)


class MathCritiqueExample(Record):
    """The parts of one record of the released data."""

    question: str
    response: str
    critique: str
    refinement: str
    answer_form: AnswerForm = "gsm8k"


def read_example(record: dict[str, Any]) -> MathCritiqueExample:
    """Split a released record into its parts.

    Raises:
        InputError: The record does not have the format.
    """
    instruction = str(record.get("instruction", ""))
    for answer_form, form in _FORMS.items():
        question, asked, rest = instruction.partition(f" {_ASK}{form}{_RESPONSE}")
        response, refine, critique = rest.partition(f"{_REFINE}{_ASK}{form}\n\n")
        if asked and refine and critique.endswith("\n") and isinstance(record.get("output"), str):
            return MathCritiqueExample(
                question=question,
                response=response,
                critique=critique[:-1],
                refinement=record["output"],
                answer_form=answer_form,
            )
    raise InputError("this is no record of the MathCritique format: its instruction has other parts.")


def write_example(example: MathCritiqueExample) -> dict[str, str]:
    """Make a record in the format of the released data."""
    ask = _ASK + _FORMS[example.answer_form]
    instruction = f"{example.question} {ask}{_RESPONSE}{example.response}{_REFINE}{ask}\n\n{example.critique}\n"
    return {"instruction": instruction, "input": "", "output": example.refinement}


def examples(rows: Iterable[CritiqueRow]) -> Iterator[MathCritiqueExample]:
    """Give the critiques of wrong responses that have a correct refinement; the format holds no others."""
    for row in rows:
        if row.refinement is not None and not row.is_correct:
            yield MathCritiqueExample(
                question=row.question,
                response=row.response,
                critique=row.critique,
                refinement=row.refinement,
                answer_form="math" if "\\boxed" in row.response else "gsm8k",
            )
