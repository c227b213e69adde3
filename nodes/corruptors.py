"""Errors inserted on purpose (RG3): nine types, and two ways to insert one.

The types and their definitions follow the taxonomy of EIC (Li et al. 2024, Findings of ACL, "Evaluating Mathematical
Reasoning of Large Language Models: A Focus on Error Identification and Correction"); which ones the MathCritique paper
used is not known.
"""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Protocol

from langchain_core.messages import BaseMessage

from critique_graph.calls.caller import Caller, CallKey
from critique_graph.core.paths import ErrorType
from critique_graph.core.prompts import DEFAULT_PROMPTS, Prompts
from critique_graph.core.schema import Call, Failure
from critique_graph.core.steps import split_steps
from critique_graph.nodes.equations import Equation, Token, find_equations, numbers_in, value


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

    def places(self, question: str, steps: Sequence[str], error_types: Sequence[ErrorType]) -> Sequence[int]:
        """Give the indices of the steps into which it may insert an error of one of the types."""

    async def __call__(
        self, question: str, steps: Sequence[str], index: int, error_types: Sequence[ErrorType], key: CallKey
    ) -> Corrupted | NotCorrupted | Failure:
        """Rewrite step `index` of `steps` with an error of one of the types, which are tried in order."""


class ExactCorruptor:
    """Changes one true equation of a step, e.g. `12 + 5 = 17`: exact, without model calls, for four of the nine types.

    What it reads as an equation stands in `equations.py`. The rest of the step stays as it is.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def places(self, question: str, steps: Sequence[str], error_types: Sequence[ErrorType]) -> list[int]:
        """Give the steps with an equation that one of the types can change."""
        return [
            index
            for index in range(len(steps))
            if any(_can_change(found, error_types, question, steps[:index]) for found in find_equations(steps[index]))
        ]

    async def __call__(
        self, question: str, steps: Sequence[str], index: int, error_types: Sequence[ErrorType], key: CallKey
    ) -> Corrupted | NotCorrupted:
        """Insert an error; see `Corruptor`."""
        rng = random.Random(f"{self._seed}/{key}")
        step, before = steps[index], steps[:index]
        equations = [found for found in find_equations(step) if _can_change(found, error_types, question, before)]
        if not equations:
            return NotCorrupted()
        found = rng.choice(equations)
        for error_type in error_types:
            if changes := _changes(found, error_type, question, before):
                old, new = step[found.start : found.end], _written(step, found, rng.choice(changes))
                changed = step[: found.start] + new + step[found.end :]
                return Corrupted(changed, error_type, f"`{_plain(old)}` was made `{new}`")
        return NotCorrupted()


_MARKS = re.compile(r"<<[^<>\n]*>>")
"""The marks of GSM8K for a calculator, `<<12+5=17>>`, which would contradict a changed equation."""
_SLIPS = (-10, -2, -1, 1, 2, 10)


def _written(step: str, found: Equation, change: tuple[Token, ...]) -> str:
    """Write an equation with changed tokens in place of those that begin where they begin."""
    text, end = step, found.end
    for token in sorted(change, key=lambda token: -token.start):
        old = next(old for old in (*found.left, *found.right) if old.start == token.start)
        text = text[: old.start] + token.text + text[old.end :]
        end += len(token.text) - len(old.text)
    return _plain(text[found.start : end])


def _plain(equation: str) -> str:
    return _MARKS.sub("", equation)


def _can_change(found: Equation, error_types: Sequence[ErrorType], question: str, before: Sequence[str]) -> bool:
    return any(_changes(found, error_type, question, before) for error_type in error_types)


def _changes(found: Equation, error_type: ErrorType, question: str, before: Sequence[str]) -> list[tuple[Token, ...]]:
    """Give the ways to make an error of the type: changed tokens of a true equation that change its result."""
    if not found.is_true:
        return []
    numbers = [
        token
        for before_it, token in zip((None, *found.left), found.left, strict=False)
        if token.kind == "number"
        and (before_it is None or before_it.text != "^")  # an exponent is not taken for another
    ]
    match error_type:
        case "calculation_error":
            return _slips(found)
        case "operator_error":
            signs = [token for token in found.left if token.kind == "operator" and token.text in _SIGNS]
            times = next((token.text for token in signs if token.text in _TIMES), None)
            times = times or (r"\times" if any("\\" in token.text for token in (*found.left, *found.right)) else "*")
            others = ((token, replace(token, text=text)) for token in signs for text in ("+", "-", times))
            return [change for old, new in others if new != old and (change := _recomputed(found, new))]
        case "referencing_context_value_error":
            given = {token.number for token in numbers_in(question)} - {token.number for token in numbers}
            wrong = [numbers[-1].with_number(number) for number in sorted(given)] if numbers else []
            return [change for new in wrong if new and (change := _recomputed(found, new))]
        case "referencing_previous_step_value_error":
            results = {
                equation.result.number for step in before for equation in find_equations(step) if equation.result
            }
            pairs = [(old, n) for old in numbers if old.number in results for n in sorted(results - {old.number})]
            wrong = [old.with_number(number) for old, number in pairs]
            return [change for new in wrong if new and (change := _recomputed(found, new))]
        case _:
            return []


_TIMES = frozenset({"*", "x", "\u00d7", "·", r"\times", r"\cdot"})
_SIGNS = _TIMES | {"+", "-", "/", "\u00f7", r"\div", "\u2212", "\u2013"}


def _slips(found: Equation) -> list[tuple[Token, ...]]:
    """Change one number of the right side, so that the result is another one."""
    changes: list[tuple[Token, ...]] = []
    for token in found.right:
        if token.kind == "number":
            unit = Fraction(1, 10**token.places) if token.number < 1 else 1
            slips = [token.with_number(token.number + slip * unit) for slip in _SLIPS]
            least = 0 if found.result else 2  # no factor 1 and no summand 0
            changes += [(slip,) for slip in slips if slip and slip.number >= least and _is_false(found, slip)]
    return changes


def _is_false(found: Equation, new: Token) -> bool:
    """Tell whether the equation, with `new` on its right side, can be read and is false."""
    right = tuple(new if token.start == new.start else token for token in found.right)
    before, after = value(found.right), value(right)
    return after is not None and before != after and not replace(found, right=right).is_true


def _recomputed(found: Equation, new: Token) -> tuple[Token, ...]:
    """Change a token of the left side, and the result with it; empty if that gives no other result to write."""
    left = tuple(new if token.start == new.start else token for token in found.left)
    before, after, old = value(found.left), value(left), found.result
    if old is None or before is None or after is None or before == after or any(t.kind == "name" for t in left):
        return ()
    if "%" in old.text and before != old.number:  # 25% is the result of 1 / 4 and of 1 / 4 * 100
        after *= 100
    result = old.with_number(after, max(token.places for token in (new, *found.left) if token.kind == "number"))
    return () if result is None else (new, result)


_REPLY = re.compile(r"step sentence:\s*(?P<step>.+?)\s*\nexplanation:\s*(?P<why>.+)", re.IGNORECASE | re.DOTALL)


class ModelCorruptor:
    """Asks a model to insert the error."""

    def __init__(self, caller: Caller, prompts: Prompts = DEFAULT_PROMPTS) -> None:
        self._caller = caller
        self._prompts = prompts

    def places(self, question: str, steps: Sequence[str], error_types: Sequence[ErrorType]) -> Sequence[int]:
        """Give all steps: a model can rewrite any."""
        return range(len(steps))

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
