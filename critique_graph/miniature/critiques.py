"""Exact critiques of miniature responses, with the reasoning a tiny critic can follow.

The critic thinks first. It notes what the problem gives for each step; then, for every step, it works out the right
equation, ones and tens apart, given the values written before it, and takes its value from the written one. The
critique that follows stops at the first wrong step. Each part has its reason: a tiny model that repeats a step before
it has worked it out repairs the step while it copies it; one that looks for what a late step needs only when it comes
to it takes another step's number; one that is not sure of a sum, or sees few wrong values, copies the written value, so
the sums are split into ones it can be sure of; it learns to subtract two numbers in minutes, but not, in an hour, to
say whether they are the same; and a verdict it has just thought of is easier to repeat than a difference to judge.
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
    """What the critic should write about a response: reasoning, then the critique."""
    return THINK_OPEN + reasoning(exercise, response) + THINK_CLOSE + critique_text(exercise, response)


def reasoning(exercise: Exercise, response: str) -> str:
    """What a critic should think before: notes of the problem, then every step worked out and compared."""
    checks = check_response(exercise, response)
    thoughts = [noted(exercise)]
    thoughts += [
        f"{step_label(index)}{comparison(check.expected, check.written_value)}" for index, check in enumerate(checks)
    ]
    if reason := _wrong_length(exercise, response, checks):
        thoughts.append(reason)
    return "\n".join(thoughts)


def noted(exercise: Exercise) -> str:
    """The notes, one a line, each under its label."""
    return "\n".join(f"{note_label(index)}{note}" for index, note in enumerate(notes(exercise)))


def notes(exercise: Exercise) -> list[str]:
    """What the problem gives: the quantity it begins with, then something for every step.

    E.g. `5 more`; for a sum over two people the line that has the other quantity, e.g. `Step 2: together`.
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
    """What the note for a step begins with; 0 is the quantity the problem begins with."""
    return f"({index}) "


def comparison(expected: str, written_value: int | None) -> str:
    """The right equation worked out, the value the response has less the right one, and what that means.

    E.g. `18 + 15 = 13 + 20 = 33; 35 - 33 = 2 Wrong`.
    """
    value = expected.rsplit(" ", 1)[1]
    if written_value is None:
        return f"{worked_out(expected)}; no value Wrong"
    difference = written_value - int(value)
    verdict = "Wrong" if difference else "Correct"
    return f"{worked_out(expected)}; {written_value} - {value} = {difference} {verdict}"


def worked_out(equation: str) -> str:
    """An equation by way of its ones and its tens, e.g. `18 + 15 = 13 + 20 = 33`; one below zero as it is."""
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
    """A critique that calls every step of a response correct, and its answer too, whatever it says."""
    steps = tuple(
        StepVerdict(text=line, verdict="correct", explanation=f"{written_equation(line) or line}.")
        for line in written_steps(response)
    )
    return render_critique(Critique(text="", steps=steps, final="correct", final_explanation=RIGHT))


def judged_steps(checks: list[StepCheck]) -> list[StepCheck]:
    """The steps a critique goes through: all, or those up to the first wrong one."""
    error = first_error(checks)
    return checks if error is None else checks[: error + 1]


def _wrong_length(exercise: Exercise, response: str, judged: list[StepCheck]) -> str | None:
    """What is wrong with the number of steps of a response whose steps are right."""
    if first_error(judged) is not None:
        return None
    if len(judged) < len(exercise.operations):
        return MISSING
    return LEFT_OVER if len(written_steps(response)) > len(judged) else None


def _step_verdict(exercise: Exercise, index: int, check: StepCheck) -> StepVerdict:
    """A wrong step's explanation is the right line, under its label: what the actor has to write in its place."""
    if check.is_correct:
        return StepVerdict(text=check.line, verdict="correct", explanation=f"{check.expected}.")
    right = step_line(exercise, index, check.expected).removesuffix(".")
    return StepVerdict(text=check.line, verdict="wrong", explanation=f"{right}, not {check.written_value}.")
