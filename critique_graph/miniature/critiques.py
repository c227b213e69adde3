"""Exact critiques of miniature responses, with the reasoning a tiny critic can follow.

The critic reasons first. It notes what the problem gives for each step. Then, for every step, it works out the correct
equation, ones and tens separately, from the values written before it, and subtracts the step's correct value from the
written one. The critique that follows stops at the first wrong step. Each part has its reason:

- A tiny model that repeats a step before it has worked it out repairs the step while it copies it.
- A model that searches for the number of a late step only when it reaches that step takes the number of another step.
- A model that is not sure of a sum, or sees few wrong values, copies the written value. So the sums are split into
  parts it can be sure of.
- A model learns to subtract two numbers in minutes, but does not learn in an hour to say whether they are equal.
- A verdict that the model has just reasoned out is easier to repeat than a difference is to judge.
"""

from typing import cast

from critique_graph.core.critique import render_critique
from critique_graph.core.schema import Critique, StepVerdict
from critique_graph.miniature.solutions import (
    StepCheck,
    boxed_answer,
    check_response,
    first_error,
    step_label,
    step_line,
    written_equation,
    written_steps,
)
from critique_graph.miniature.task import TOGETHER, Exercise, Operation, Ref, Symbol, compute

THINK_OPEN = "<think>\n"
THINK_CLOSE = "\n</think>\n\n"
RIGHT, STEP_WRONG = "Every step is right.", "A step is wrong."
MISSING, LEFT_OVER = "Steps are missing.", "There are too many steps."


def critique_completion(exercise: Exercise, response: str) -> str:
    """The text that the critic should write about a response: reasoning, then the critique."""
    return THINK_OPEN + reasoning(exercise, response) + THINK_CLOSE + critique_text(exercise, response)


def reasoning(exercise: Exercise, response: str) -> str:
    """The reasoning a critic should write first: notes of the problem, then every step worked out and compared."""
    checks = check_response(exercise, response)
    thoughts = [noted(exercise)]
    thoughts += [
        f"{step_label(index)}{comparison(check.expected, check.written_value)}" for index, check in enumerate(checks)
    ]
    if reason := _wrong_length(exercise, response, checks):
        thoughts.append(reason)
    return "\n".join(thoughts)


def noted(exercise: Exercise) -> str:
    """The notes, one per line, each after its label."""
    return "\n".join(f"{note_label(index)}{note}" for index, note in enumerate(notes(exercise)))


def notes(exercise: Exercise) -> list[str]:
    """What the problem gives: the quantity it begins with, then one note for every step.

    E.g. `5 more`; for a sum over two people, the label of the line that has the other quantity, e.g.
    `Step 2: together`.
    """
    first = exercise.operations[0].left
    return [str(first), *(_note(operation, first) for operation in exercise.operations)]


def _note(operation: Operation, first: int | Ref) -> str:
    words = {"+": "more", "-": "fewer", "*": "times"}
    if operation.subject != TOGETHER:
        return f"{operation.right} {words[operation.symbol]}"
    if isinstance(operation.right, Ref):
        return f"{step_label(operation.right.step)}together"
    assert operation.right == first
    return f"{note_label(0)}together"


def note_label(index: int) -> str:
    """The label of the note for a step; 0 is the quantity that the problem begins with."""
    return f"({index}) "


def comparison(expected: str, written_value: int | None) -> str:
    """The correct equation worked out, the written value minus the correct one, and the verdict that follows.

    E.g. `18 + 15 = 13 + 20 = 33; 35 - 33 = 2 Wrong`.
    """
    value = expected.rsplit(" ", 1)[1]
    if written_value is None:
        return f"{worked_out(expected)}; no value Wrong"
    difference = written_value - int(value)
    verdict = "Wrong" if difference else "Correct"
    return f"{worked_out(expected)}; {written_value} - {value} = {difference} {verdict}"


def worked_out(equation: str) -> str:
    """An equation with ones and tens worked out, e.g. `18 + 15 = 13 + 20 = 33`; unchanged if the tens are negative."""
    left, symbol, right, _, value = equation.split()
    ones = compute(cast(Symbol, symbol), int(left) % 10, int(right) % 10)
    ones += 10 if ones < 0 else 0
    tens = int(value) - ones
    return equation if tens < 0 else f"{left} {symbol} {right} = {ones} + {tens} = {value}"


def critique_text(exercise: Exercise, response: str) -> str:
    """The critique in the project's format, without the reasoning."""
    checks = check_response(exercise, response)
    judged = judged_steps(checks)
    if first_error(checks) is not None:
        why = STEP_WRONG
    elif reason := _wrong_length(exercise, response, judged):
        why = reason
    elif boxed_answer(response) != str(checks[-1].written_value):
        why = "The last step gives another answer."
    else:
        why = RIGHT
    return render_critique(
        Critique(
            text="",
            steps=tuple(_step_verdict(exercise, index, check) for index, check in enumerate(judged)),
            final="correct" if why == RIGHT else "wrong",
            final_explanation=why,
        )
    )


def approving_critique(response: str) -> str:
    """A critique that calls every step and the answer of a response correct, whatever the response says."""
    steps = tuple(
        StepVerdict(text=line, verdict="correct", explanation=f"{written_equation(line) or line}.")
        for line in written_steps(response)
    )
    return render_critique(Critique(text="", steps=steps, final="correct", final_explanation=RIGHT))


def judged_steps(checks: list[StepCheck]) -> list[StepCheck]:
    """The steps that a critique judges: all, or those up to the first wrong one."""
    error = first_error(checks)
    return checks if error is None else checks[: error + 1]


def _wrong_length(exercise: Exercise, response: str, judged: list[StepCheck]) -> str | None:
    """What is wrong with the number of steps of a response whose steps are correct."""
    if first_error(judged) is not None:
        return None
    if len(judged) < len(exercise.operations):
        return MISSING
    return LEFT_OVER if len(written_steps(response)) > len(judged) else None


def _step_verdict(exercise: Exercise, index: int, check: StepCheck) -> StepVerdict:
    """The verdict on a step; a wrong step's explanation is the correct line with its label, for the actor to write."""
    if check.is_correct:
        return StepVerdict(text=check.line, verdict="correct", explanation=f"{check.expected}.")
    right = step_line(exercise, index, check.expected).removesuffix(".")
    return StepVerdict(text=check.line, verdict="wrong", explanation=f"{right}, not {check.written_value}.")
