"""Solutions of the miniature's problems: written, checked exactly, and corrupted on purpose."""

import random
import re
from dataclasses import dataclass
from typing import Literal, get_args

from critique_graph.miniature.task import NAMES, TOGETHER, Exercise, Operation, Ref, Symbol, compute

SlipType = Literal["arithmetic", "operator", "operand", "sentence"]

MAX_WRITTEN = 199
"""Largest value in a flawed solution."""

_EQUATION = re.compile(r"(\d{1,6}) ([+*-]) (\d{1,6}) = (-?\d{1,6})(?!\d)")
_SUBJECT = re.compile(r"(?<=: )\w+(?= has \d)")
_ANSWER = re.compile(r"\\boxed\{(-?\d{1,6})\}")


@dataclass(frozen=True)
class StepCheck:
    """One written step beside what it should say, given the values written before it."""

    line: str
    expected: str
    """The correct equation, e.g. `12 + 5 = 17`."""
    expected_value: int
    written: str | None
    """The equation in the line; None if the line has none."""
    written_value: int | None
    """The value that the line claims."""
    is_correct: bool


def equation(operation: Operation, values: list[int]) -> str:
    """The correct equation of a step, e.g. `12 + 5 = 17`, given the `values` of the steps before it."""
    left, right = operation.operands(values)
    return f"{left} {operation.symbol} {right} = {compute(operation.symbol, left, right)}"


def step_label(index: int) -> str:
    """The label of a line about a step, e.g. `Step 1: ` for index 0."""
    return f"Step {index + 1}: "


def step_line(exercise: Exercise, index: int, equation: str) -> str:
    """The line of a step: its label, the quantity that is computed, the equation."""
    return f"{step_label(index)}{exercise.operations[index].subject} {equation} {exercise.noun}."


def boxed(answer: int) -> str:
    """The last line of a response."""
    return f"The answer is \\boxed{{{answer}}}."


def _value(text: str) -> int:
    return int(text.rpartition(" ")[2])


def gold_response(exercise: Exercise) -> str:
    """The correct solution: one step per line, then the answer in a box."""
    return corrupt_response(exercise, {})


def corrupt_response(exercise: Exercise, equations: dict[int, str]) -> str:
    """The solution with the `equations` of some steps replaced; later steps continue from their values."""
    lines: list[str] = []
    values: list[int] = []
    for index, operation in enumerate(exercise.operations):
        text = equations.get(index) or equation(operation, values)
        values.append(_value(text))
        lines.append(step_line(exercise, index, text))
    return "\n".join([*lines, boxed(values[-1])])


def flawed_response(
    exercise: Exercise, rng: random.Random, *, others: float = 0.0, kind: SlipType | None = None
) -> str:
    """A solution with an error of one kind at a random step; the steps after it inherit the wrong value.

    With probability `others`, each other step is wrong too. The kind of each error is drawn unless `kind` is given.
    """
    steps = range(len(exercise.operations))
    while True:
        certain = rng.choice(steps)
        equations: dict[int, str] = {}
        values: list[int] = []
        for index in steps:
            right = equation(exercise.operations[index], values)
            if not 0 <= _value(right) <= MAX_WRITTEN:
                break
            if index == certain or rng.random() < others:
                equations[index] = flawed_equation(exercise, index, values, rng, kind)
            values.append(_value(equations.get(index, right)))
        else:
            return corrupt_response(exercise, equations)


def shortened_response(exercise: Exercise, rng: random.Random) -> str:
    """A solution without its last step or steps: each step is correct, but the answer is not the one asked for."""
    steps = gold_response(exercise).splitlines()[:-1]
    kept = rng.randrange(max(1, len(steps) - 2), len(steps))
    return "\n".join([*steps[:kept], boxed(exercise.values[kept - 1])])


def lengthened_response(exercise: Exercise, rng: random.Random) -> str:
    """A solution with an additional step: the other steps are correct, but the answer is not the one asked for."""
    *steps, _ = gold_response(exercise).splitlines()
    left, right = exercise.values[-1], rng.choice(exercise.operations).operands(exercise.values)[1]
    symbol: Symbol = rng.choice(("+", "-")) if left >= right else "+"
    value = compute(symbol, left, right)
    extra = f"{exercise.operations[-1].subject} {left} {symbol} {right} = {value} {exercise.noun}."
    return "\n".join([*steps, f"{step_label(len(steps))}{extra}", boxed(value)])


def misnamed_response(response: str, rng: random.Random) -> str:
    """A solution in which some names are drawn anew; checks ignore this, because they judge equations, not names."""
    return _SUBJECT.sub(lambda name: rng.choice(NAMES) if rng.random() < 0.3 else name[0], response)


def flawed_equation(
    exercise: Exercise, index: int, values: list[int], rng: random.Random, kind: SlipType | None = None
) -> str:
    """A wrong equation for a step: a slip of arithmetic, a wrong operator or operand, or the sentence of another step.

    Its value always differs from the correct one and is never negative. `kind` is drawn unless given.
    """
    operation = exercise.operations[index]
    left, right = operation.operands(values)
    value = compute(operation.symbol, left, right)
    while True:
        weights = (2, 2, 4, 1) if operation.subject == TOGETHER else (2, 2, 1, 2)
        drawn = kind or rng.choices(get_args(SlipType), weights=weights)[0]
        symbol: Symbol = operation.symbol
        a, b, claimed = left, right, None
        match drawn:
            case "arithmetic":
                claimed = slip(value, rng)
            case "operator":
                symbol = rng.choice([s for s in get_args(Symbol) if s != symbol])
            case "operand" if rng.random() < 0.5 and values[:-1]:
                a = rng.choice(values[:-1])
            case "operand":
                b = rng.choice([*_constants(exercise), *values])
            case "sentence":
                other = rng.choice(exercise.operations)
                symbol, b = other.symbol, other.operands(exercise.values)[1]
        claimed = compute(symbol, a, b) if claimed is None else claimed
        if claimed != value and 0 <= claimed <= MAX_WRITTEN:
            return f"{a} {symbol} {b} = {claimed}"


def _constants(exercise: Exercise) -> list[int]:
    operands = (o for op in exercise.operations for o in (op.left, op.right))
    return [o for o in operands if not isinstance(o, Ref)]


def slip(value: int, rng: random.Random) -> int:
    """A wrong value like one from a slip of arithmetic: off by up to three or by ten, or with another digit."""
    while True:
        match rng.randrange(3):
            case 0:
                slipped = value + rng.choice((-3, -2, -1, 1, 2, 3))
            case 1:
                slipped = value + rng.choice((-10, 10))
            case _:
                digits = list(str(value))
                digits[rng.randrange(len(digits))] = rng.choice("123456789")
                slipped = int("".join(digits))
        if slipped >= 0 and slipped != value:
            return slipped


def check_response(exercise: Exercise, text: str) -> list[StepCheck]:
    """Check every line of a response except the last against the problem, given the values written before it.

    If a response has too few or too many steps, the steps that both the response and the problem have are checked.
    """
    values: list[int] = []
    checks: list[StepCheck] = []
    for line, operation in zip(written_steps(text), exercise.operations, strict=False):
        expected = equation(operation, values)
        left, right = operation.operands(values)
        expected_value = compute(operation.symbol, left, right)
        found = _EQUATION.search(line)
        is_correct = False
        if found:
            same_order = found[0] == expected
            swapped = operation.symbol != "-" and found[0] == f"{right} {operation.symbol} {left} = {expected_value}"
            is_correct = same_order or swapped
        written = int(found[4]) if found else None
        checks.append(StepCheck(line, expected, expected_value, found[0] if found else None, written, is_correct))
        if written is None:
            break
        values.append(written)
    return checks


def written_steps(text: str) -> list[str]:
    """The lines of a response that are steps: all except the answer's."""
    return [line for line in text.splitlines() if line.strip() and not _ANSWER.search(line)]


def written_equation(line: str) -> str | None:
    """The equation in a line, e.g. `12 + 5 = 17`; None if the line has none."""
    found = _EQUATION.search(line)
    return found[0] if found else None


def boxed_answer(text: str) -> str | None:
    """The number in the last box; None if there is none."""
    found = _ANSWER.findall(text)
    return found[-1] if found else None


def first_error(checks: list[StepCheck]) -> int | None:
    """0-based index of the first wrong step."""
    return next((index for index, check in enumerate(checks) if not check.is_correct), None)
