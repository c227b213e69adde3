"""Reads and writes the released MathCritique format: an instruction with response and critique, and a refinement.

A record is `{"instruction", "input": "", "output"}`; the instruction is a conversation in the plain template of the
official code (`selfimprove/`, commit 569e62e). The released files are JSON lists of such records.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Literal

import orjson

from critique_graph.core.errors import InputError
from critique_graph.core.files import write_atomically
from critique_graph.core.json_lines import write_json_lines
from critique_graph.core.schema import Record
from critique_graph.generate.dataset import CritiqueRow
from critique_graph.problems.rows import file_rows, has_fields

logger = logging.getLogger(__name__)

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
    id: str = ""
    """File and number of the record, e.g. `llama3_8b_gsm8k/000012`; empty if it is from no file."""


def is_mathcritique(path: Path) -> bool:
    """Tell by its first rows whether a file holds records of the format."""
    return has_fields(path, "instruction", "output")


def read_mathcritique(
    file: Path, *, refusal: Callable[[MathCritiqueExample], str | None] = lambda example: None
) -> Iterator[MathCritiqueExample]:
    """Give the records of a file one by one; a warning at the end says how many were left out, and why.

    Args:
        file: A JSON list, or a file of JSON lines.
        refusal: Says why an example is of no use; None for an example that is.

    Raises:
        InputError: The file cannot be read, or no record of it is of use.
    """
    left_out: defaultdict[str, list[int]] = defaultdict(list)
    number = -1
    for number, row in enumerate(file_rows(file)):
        try:
            example = read_example(row.fields)
            reason = refusal(example)
        except InputError as error:
            reason = str(error)
        if reason is None:
            yield example.model_copy(update={"id": f"{file.name.split('.')[0]}/{number:06d}"})
        else:
            left_out[reason].append(row.number)
    if not left_out:
        return
    dropped = sum(map(len, left_out.values()))
    why = "; ".join(f"{_rows(rows)} ({reason})" for reason, rows in left_out.items())
    said = f"{file}: {dropped} of {number + 1} records left out: {why}"
    if dropped == number + 1:
        raise InputError(f"{said}.")
    logger.warning(said)


def _rows(numbers: list[int]) -> str:
    more = f" and {len(numbers) - 3} more" if len(numbers) > 3 else ""
    return f"{'row' if len(numbers) == 1 else 'rows'} {', '.join(map(str, numbers[:3]))}{more}"


def read_example(record: Mapping[str, object]) -> MathCritiqueExample:
    """Split a released record into its parts.

    Raises:
        InputError: The record does not have the format.
    """
    instruction, output = record.get("instruction"), record.get("output")
    if not isinstance(instruction, str) or not isinstance(output, str):
        raise InputError("no text in 'instruction' or 'output'")
    try:
        (instruction + output).encode()
    except UnicodeEncodeError as error:
        raise InputError("a lone surrogate, which is not Unicode text") from error
    for answer_form, form in _FORMS.items():
        question, asked, rest = instruction.partition(f" {_ASK}{form}{_RESPONSE}")
        response, refine, critique = rest.partition(f"{_REFINE}{_ASK}{form}\n\n")
        if asked and refine and critique.endswith("\n"):
            return MathCritiqueExample(
                question=question,
                response=response,
                critique=critique[:-1],
                refinement=output,
                answer_form=answer_form,
            )
    raise InputError("no record of the MathCritique format: its instruction has other parts")


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


def write_mathcritique(file: Path, rows: Iterable[MathCritiqueExample]) -> int:
    """Write a file in the format: a JSON list as it was released if the name ends in `.json`, else JSON lines.

    Gives the number of records.
    """
    records = map(write_example, rows)
    if file.suffix != ".json":
        return write_json_lines(file, records)
    count = 0

    def pieces() -> Iterator[bytes]:
        nonlocal count
        yield b"["
        for record in records:
            yield b"\n" if count == 0 else b",\n"
            yield orjson.dumps(record, option=orjson.OPT_INDENT_2)
            count += 1
        yield b"\n]\n"

    write_atomically(file, pieces())
    return count
