"""Errors inserted on purpose (RG3): nine types, and two ways to insert one.

The types and their definitions follow the taxonomy of EIC (Li et al. 2024, Findings of ACL, "Evaluating Mathematical
Reasoning of Large Language Models: A Focus on Error Identification and Correction"); which ones the MathCritique paper
used is not known.
"""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from langchain_core.messages import BaseMessage

from critique_graph.calls.caller import Caller, CallKey
from critique_graph.core.paths import ErrorType
from critique_graph.core.prompts import DEFAULT_PROMPTS, Prompts
from critique_graph.core.schema import Call, Failure
from critique_graph.core.steps import split_steps


@dataclass(frozen=True)
class Corrupted:
    """A step with an error in it."""

    step: str
    type: ErrorType
    description: str
    call: Call | None = None


@dataclass(frozen=True)
class NotCorrupted:
    """The result where no error of the given types could be inserted."""

    call: Call | None = None


class Corruptor(Protocol):
    """Inserts one error of a given type into a step."""

    async def __call__(
        self, question: str, steps: Sequence[str], index: int, error_types: Sequence[ErrorType], key: CallKey
    ) -> Corrupted | NotCorrupted | Failure:
        """Rewrite step `index` of `steps` with an error of one of the types, which are tried in order."""


class ExactCorruptor:
    """Changes one equation of a step, e.g. `12 + 5 = 17`: exact, without model calls, for four of the nine types."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    async def __call__(
        self, question: str, steps: Sequence[str], index: int, error_types: Sequence[ErrorType], key: CallKey
    ) -> Corrupted | NotCorrupted:
        """Insert an error; see `Corruptor`."""
        rng = random.Random(f"{self._seed}/{key}")
        equations = list(_EQUATION.finditer(steps[index]))
        if not equations:
            return NotCorrupted()
        found = rng.choice(equations)
        for error_type in error_types:
            changed = _changed(found, error_type, question, steps[:index], rng)
            if changed is not None:
                step = steps[index][: found.start()] + changed + steps[index][found.end() :]
                return Corrupted(step, error_type, f"`{found[0]}` was made `{changed}`")
        return NotCorrupted()


_EQUATION = re.compile(
    r"(?<![\d.,])(\d{1,9}) ?([-+*/x\u00d7\u00f7]) ?(\d{1,9}) ?= ?(\d{1,9})(?![\d,/*x\u00d7\u00f7+]|\.\d)"
)
_NUMBER = re.compile(r"(?<![\d.,])\d{1,9}(?![\d,]|\.\d)")
_MULTIPLY = "*x\u00d7"


def _changed(
    found: re.Match[str], error_type: ErrorType, question: str, before: Sequence[str], rng: random.Random
) -> str | None:
    """Give the equation with an error of the type that changes its result; None where the type does not apply."""
    left, sign, right, result = int(found[1]), found[2], int(found[3]), int(found[4])
    if _result(left, sign, right) != result:
        return None
    options: list[tuple[int, str, int, int | None]] = []
    match error_type:
        case "calculation_error":
            slips = (result + step for step in (-10, -2, -1, 1, 2, 10))
            options = [(left, sign, right, slip) for slip in slips if slip >= 0]
        case "operator_error":
            times = sign if sign in _MULTIPLY else "*"
            options = [
                (left, other, right, _result(left, other, right)) for other in ("+", "-", times) if other != sign
            ]
        case "referencing_context_value_error":
            given = {int(number) for number in _NUMBER.findall(question)} - {left, right}
            options = [(left, sign, number, _result(left, sign, number)) for number in sorted(given)]
        case "referencing_previous_step_value_error":
            results = {int(equation[4]) for step in before for equation in _EQUATION.finditer(step)}
            if left in results:
                options += [(n, sign, right, _result(n, sign, right)) for n in sorted(results - {left})]
            if right in results:
                options += [(left, sign, n, _result(left, sign, n)) for n in sorted(results - {right})]
        case _:
            return None
    wrong = [option for option in options if option[3] is not None and option[3] != result]
    if not wrong:
        return None
    new_left, new_sign, new_right, new_result = rng.choice(wrong)
    return f"{new_left} {new_sign} {new_right} = {new_result}"


def _result(left: int, sign: str, right: int) -> int | None:
    """Give the result if it is a whole number that is not negative, else None."""
    if sign == "+":
        return left + right
    if sign == "-":
        return left - right if left >= right else None
    if sign in _MULTIPLY:
        return left * right
    return left // right if right and left % right == 0 else None


_REPLY = re.compile(r"step sentence:\s*(?P<step>.+?)\s*\nexplanation:\s*(?P<why>.+)", re.IGNORECASE | re.DOTALL)


class ModelCorruptor:
    """Asks a model to insert the error."""

    def __init__(self, caller: Caller, prompts: Prompts = DEFAULT_PROMPTS) -> None:
        self._caller = caller
        self._prompts = prompts

    async def __call__(
        self, question: str, steps: Sequence[str], index: int, error_types: Sequence[ErrorType], key: CallKey
    ) -> Corrupted | NotCorrupted | Failure:
        """Ask for an error of the first type only; see `Corruptor`."""
        outcome = await self._caller(corrupt_messages(question, steps[: index + 1], error_types[0], self._prompts), key)
        if isinstance(outcome, Failure):
            return outcome
        found = _REPLY.search(outcome.text)
        step = found["step"].strip() if found else ""
        if found is None or len(split_steps(step)) != 1 or step == steps[index].strip():
            return NotCorrupted(outcome.call)
        return Corrupted(step, error_types[0], " ".join(found["why"].split()), outcome.call)


def corrupt_messages(
    question: str, steps: Sequence[str], error_type: ErrorType, prompts: Prompts = DEFAULT_PROMPTS
) -> list[BaseMessage]:
    """Build the corruptor's prompt; the last of the `steps` is the one to rewrite."""
    return prompts.corrupt.messages(problem=question, response="\n".join(steps), type=error_type)
