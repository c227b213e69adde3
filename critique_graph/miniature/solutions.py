"""Solutions of the miniature's problems: written, checked exactly, and corrupted on purpose."""

import random
import re
from dataclasses import dataclass
from typing import Literal, get_args

from critique_graph.miniature.task import Exercise, Operation, Ref, Symbol, compute

ErrorType = Literal["arithmetic", "operator", "operand"]

_EQUATION = re.compile(r"(\d{1,6}) ([+*-]) (\d{1,6}) = (-?\d{1,6})(?!\d)")
_ANSWER = re.compile(r"\\boxed\{(-?\d{1,6})\}")


@dataclass(frozen=True)
class StepCheck:
    """One written step beside what it should say, given the values written before it."""

    line: str
    expected: str
    """The right equation, e.g. `12 + 5 = 17`."""
    expected_value: int
    written: str | None
    """The equation in the line; None when it holds none."""
    written_value: int | None
    """The value it claims."""
    is_correct: bool


def equation(operation: Operation, values: list[int]) -> str:
    """The right equation of a step, e.g. `12 + 5 = 17`, given the `values` of the steps before it."""
    left, right = operation.operands(values)
    return f"{left} {operation.symbol} {right} = {compute(operation.symbol, left, right)}"


def gold_response(exercise: Exercise) -> str:
    """The right solution: one step a line, then the answer in a box."""
    return corrupt_response(exercise, {})


def corrupt_response(exercise: Exercise, equations: dict[int, str]) -> str:
    """The solution with the `equations` of some steps replaced; later steps go on from their values."""
    lines: list[str] = []
    values: list[int] = []
    for index, operation in enumerate(exercise.operations):
        text = equations.get(index) or equation(operation, values)
        values.append(int(text.rsplit(" ", 1)[1]))
        lines.append(f"{operation.subject} {text} {exercise.noun}.")
    return "\n".join([*lines, f"The answer is \\boxed{{{values[-1]}}}."])


def flawed_response(exercise: Exercise, rng: random.Random) -> str:
    """A solution with one typed error at a random step, inherited by the steps after it."""
    while True:
        index = rng.randrange(len(exercise.operations))
        wrong = flawed_equation(exercise, index, exercise.values[:index], rng)
        text = corrupt_response(exercise, {index: wrong})
        written = [int(number) for number in re.findall(r"= (-?\d+)", text)]
        if min(written) >= 0 and max(written) <= 999:
            return text


def shortened_response(exercise: Exercise, rng: random.Random) -> str:
    """A solution without its last step or steps: each is right, and the answer is not what was asked for."""
    steps = gold_response(exercise).splitlines()[:-1]
    kept = rng.randrange(max(1, len(steps) - 2), len(steps))
    return "\n".join([*steps[:kept], f"The answer is \\boxed{{{exercise.values[kept - 1]}}}."])


def flawed_equation(exercise: Exercise, index: int, values: list[int], rng: random.Random) -> str:
    """A wrong equation for a step: a slip of arithmetic, a wrong operator, or a wrong operand.

    Its value always differs from the right one and is never negative.
    """
    operation = exercise.operations[index]
    left, right = operation.operands(values)
    value = compute(operation.symbol, left, right)
    while True:
        kind = rng.choices(get_args(ErrorType), weights=(4, 1, 1))[0]
        symbol: Symbol = operation.symbol
        a, b, claimed = left, right, None
        match kind:
            case "arithmetic":
                claimed = slip(value, rng)
            case "operator":
                symbol = rng.choice([s for s in get_args(Symbol) if s != symbol])
            case "operand" if rng.random() < 0.5 and values[:-1]:
                a = rng.choice(values[:-1])
            case "operand":
                b = rng.choice(_constants(exercise))
        claimed = compute(symbol, a, b) if claimed is None else claimed
        if claimed != value and 0 <= claimed < 1000:
            return f"{a} {symbol} {b} = {claimed}"


def _constants(exercise: Exercise) -> list[int]:
    operands = (o for op in exercise.operations for o in (op.left, op.right))
    return [o for o in operands if not isinstance(o, Ref)]


def slip(value: int, rng: random.Random) -> int:
    """A wrong value as a slip of arithmetic gives it: off by one or ten (mostly), or with another digit."""
    while True:
        match rng.randrange(3):
            case 0:
                slipped = value + rng.choice((-1, 1))
            case 1:
                slipped = value + rng.choice((-10, 10))
            case _:
                digits = list(str(value))
                digits[rng.randrange(len(digits))] = rng.choice("123456789")
                slipped = int("".join(digits))
        if slipped >= 0 and slipped != value:
            return slipped


def check_response(exercise: Exercise, text: str) -> list[StepCheck]:
    """Check every line of a response but the last against the problem, given the values written before it.

    Of a response with too few or too many steps, the steps there are on both sides are checked.
    """
    lines = [line for line in text.splitlines() if line.strip() and not _ANSWER.search(line)]
    values: list[int] = []
    checks: list[StepCheck] = []
    for line, operation in zip(lines, exercise.operations, strict=False):
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


def boxed_answer(text: str) -> str | None:
    """The number in the last box; None when there is none."""
    found = _ANSWER.findall(text)
    return found[-1] if found else None


def first_error(checks: list[StepCheck]) -> int | None:
    """0-based index of the first wrong step."""
    return next((index for index, check in enumerate(checks) if not check.is_correct), None)
