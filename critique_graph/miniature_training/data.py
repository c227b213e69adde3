"""Training rows for the miniature, in the project's own prompts: drills, solutions, critiques, refinements.

A row is `{"prompt": [messages], "completion": [messages]}`, as TRL reads it.
"""

import random
import re
from collections.abc import Sequence

from langchain_core.messages import HumanMessage

from critique_graph.core.critique import render_critique
from critique_graph.core.schema import Critique, StepVerdict
from critique_graph.core.untrusted import fence
from critique_graph.miniature.critiques import (
    STEP_WRONG,
    THINK_OPEN,
    comparison,
    critique_completion,
    critique_text,
    noted,
    worked_out,
)
from critique_graph.miniature.solutions import (
    boxed,
    boxed_answer,
    check_response,
    equation,
    first_error,
    flawed_response,
    gold_response,
    lengthened_response,
    shortened_response,
    slip,
    step_label,
    written_steps,
)
from critique_graph.miniature.task import Exercise
from critique_graph.miniature_training.tokenizer import NUMBERS, task_words
from critique_graph.nodes.critique import critique_messages
from critique_graph.nodes.refine import refine_messages
from critique_graph.nodes.solve import solve_messages
from critique_graph.trainers.rows import TrainingRow, row

SUMS_PER_DRILL = 12
CHECKS_PER_DRILL = 9


def drill_rows(exercises: Sequence[Exercise], rng: random.Random) -> list[TrainingRow]:
    """Make rows of bare equations from the exercises' steps: sums to find, to work out, and claimed sums to check."""
    steps = [(exercise, index) for exercise in exercises for index in range(len(exercise.operations))]
    rng.shuffle(steps)
    rows: list[TrainingRow] = []
    while len(steps) >= 2 * SUMS_PER_DRILL + CHECKS_PER_DRILL:
        for opening, answer in (("", str), (THINK_OPEN, worked_out)):
            sums = [_equation(*steps.pop()) for _ in range(SUMS_PER_DRILL)]
            questions = "\n".join(text.rpartition(" ")[0] for text in sums)
            rows.append(row([HumanMessage(questions)], opening + "\n".join(map(answer, sums))))
        drawn = [steps.pop() for _ in range(CHECKS_PER_DRILL)]
        claims = [_claim(*step, rng) for step in drawn]
        checks = [
            comparison(_equation(*step), int(claim.rpartition(" ")[2]))
            for step, claim in zip(drawn, claims, strict=True)
        ]
        rows.append(row([HumanMessage("\n".join(claims))], THINK_OPEN + "\n".join(checks)))
    return rows


def copy_rows(n: int, rng: random.Random) -> list[TrainingRow]:
    """Make rows of texts to repeat, with 4 to 9 different words, some followed by a number: only copying helps."""
    words = _bare_words()
    rows: list[TrainingRow] = []
    for _ in range(n):
        chosen = rng.sample(words, rng.randint(4, 9))
        numbers = rng.sample(range(NUMBERS), len(chosen))
        text = "".join(
            f"{word}{number}" if rng.random() < 0.5 else word for word, number in zip(chosen, numbers, strict=True)
        )
        rows.append(row([HumanMessage(text)], text))
    return rows


def correction_rows(n: int, rng: random.Random) -> list[TrainingRow]:
    """Make rows from a nonsense response and a critique that corrects some lines, to the response with the corrections.

    Only copying helps: from the critique if it corrects the line, else from the response. In the rows of the task
    itself, a model mostly copies the response, because most of it is correct.
    """
    words = _bare_words()

    def line(index: int) -> str:
        return f"{step_label(index)}{''.join(rng.sample(words, rng.randint(2, 4))).strip()} {rng.randrange(NUMBERS)}."

    rows: list[TrainingRow] = []
    for _ in range(n):
        written = [line(index) for index in range(rng.randint(2, 5))]
        corrected = list(written)
        steps: list[StepVerdict] = []
        last = rng.randrange(len(written))
        for index, text in enumerate(written[: last + 1]):
            if index == last or rng.random() < 0.3:
                corrected[index] = line(index)
                why = f"{corrected[index].removesuffix('.')}, not {rng.randrange(NUMBERS)}."
                steps.append(StepVerdict(text=text, verdict="wrong", explanation=why))
            else:
                steps.append(StepVerdict(text=text, verdict="correct", explanation=text))
        critique = Critique(text="", steps=tuple(steps), final="wrong", final_explanation=STEP_WRONG)
        question, answer = "".join(rng.sample(words, 3)).strip(), boxed(rng.randrange(NUMBERS))
        prompt = refine_messages(question, "\n".join([*written, answer]), render_critique(critique))
        rows.append(row(prompt, "\n".join([*corrected, answer])))
    return rows


def _bare_words() -> list[str]:
    return [word for word in task_words() if re.fullmatch(r" [A-Za-z]+", word)]


def note_row(exercise: Exercise) -> TrainingRow:
    """Make a row from a question to notes of what it gives for each step."""
    return row([HumanMessage(fence("problem", exercise.problem.question))], THINK_OPEN + noted(exercise))


def _equation(exercise: Exercise, index: int) -> str:
    return equation(exercise.operations[index], exercise.values[:index])


def _claim(exercise: Exercise, index: int, rng: random.Random) -> str:
    """Give the equation of a step, more often with a slip than without: otherwise a model would learn to believe it."""
    right = _equation(exercise, index)
    left, _, value = right.rpartition(" ")
    return right if rng.random() < 0.3 else f"{left} {slip(int(value), rng)}"


def solve_row(exercise: Exercise) -> TrainingRow:
    """Make a row from a question to its correct solution."""
    return row(solve_messages(exercise.problem.question), gold_response(exercise))


def critique_row(exercise: Exercise, response: str) -> TrainingRow:
    """Make a row from a response to its exact critique."""
    completion = critique_completion(exercise, response)
    return row(critique_messages(exercise.problem.question, response), completion)


def refine_row(exercise: Exercise, response: str) -> TrainingRow:
    """Make a row from a response with its exact critique to the correct solution."""
    critique = critique_text(exercise, response)
    return row(refine_messages(exercise.problem.question, response, critique), gold_response(exercise))


def retry_row(exercise: Exercise, response: str) -> TrainingRow:
    """Make a row from a response without a critique to the correct solution: refinement then works without one."""
    return row(refine_messages(exercise.problem.question, response, ""), gold_response(exercise))


def corrupted(exercise: Exercise, rng: random.Random) -> str:
    """Make a wrong solution: with one wrong step, with many, with many slips, or with too few or too many steps."""
    match rng.choices(("one", "many", "slips", "length"), weights=(2, 2, 3, 1))[0]:
        case "one":
            return flawed_response(exercise, rng)
        case "many":
            return flawed_response(exercise, rng, others=0.6)
        case "slips":
            return flawed_response(exercise, rng, others=0.6, kind="arithmetic")
        case _:
            return rng.choice((shortened_response, lengthened_response))(exercise, rng)


def is_correct(exercise: Exercise, response: str) -> bool:
    """Tell whether a response has the correct steps and no others."""
    checks = check_response(exercise, response)
    return first_error(checks) is None and len(checks) == len(exercise.operations) == len(written_steps(response))


def is_judgeable(exercise: Exercise, response: str) -> bool:
    """Tell whether an exact critique can say what is wrong with a response, or that nothing is wrong.

    It cannot if the first wrong line holds no equation or happens to have the correct value, or if the box holds a
    different number than the last step.
    """
    checks = check_response(exercise, response)
    error = first_error(checks)
    if error is not None:
        return checks[error].written_value not in (None, checks[error].expected_value)
    values = re.findall(r" = (-?\d+)", response)
    return bool(checks) and boxed_answer(response) == values[-1]
