"""Exact critiques of miniature responses, with the reasoning a tiny critic can follow.

The critic thinks first: for every step it works out the right equation from the problem and sets the written value
beside it. Reasoning and critique stop at the first wrong step. That order matters: a tiny model that repeats a step
before it has worked it out repairs the step while it copies it.
"""

from critique_graph.critique import render_critique
from critique_graph.miniature.solutions import StepCheck, boxed_answer, check_response
from critique_graph.miniature.task import Exercise
from critique_graph.schema import Critique, StepVerdict

THINK_OPEN = "<think>\n"
THINK_CLOSE = "\n</think>\n\n"
SAME, DIFFERS, MISSING = "same", "differs", "Steps are missing."


def critique_completion(exercise: Exercise, response: str) -> str:
    """What the critic should write about a response: reasoning, then the critique."""
    checks = judged_steps(check_response(exercise, response))
    thoughts = [comparison(check.expected, check.written_value) for check in checks]
    if _stops_early(exercise, checks):
        thoughts.append(MISSING)
    return THINK_OPEN + "\n".join(thoughts) + THINK_CLOSE + critique_text(exercise, response)


def comparison(expected: str, written_value: int | None) -> str:
    """One line of reasoning: the right equation and the value the response has, e.g. `12 + 5 = 17; 19 differs`."""
    value = expected.rsplit(" ", 1)[1]
    return f"{expected}; {written_value} {SAME if str(written_value) == value else DIFFERS}"


def critique_text(exercise: Exercise, response: str) -> str:
    """The critique in the project's format, without the reasoning."""
    checks = check_response(exercise, response)
    judged = judged_steps(checks)
    is_right = all(check.is_correct for check in judged)
    if not is_right:
        why = "A step is wrong."
    elif _stops_early(exercise, judged):
        why = MISSING
    elif boxed_answer(response) != str(checks[-1].written_value):
        why = "The last step gives another answer."
    else:
        why = "Every step is right."
    return render_critique(
        Critique(
            text="",
            steps=tuple(_step_verdict(check) for check in judged),
            final="correct" if why == "Every step is right." else "wrong",
            final_explanation=why,
        )
    )


def judged_steps(checks: list[StepCheck]) -> list[StepCheck]:
    """The steps a critique goes through: all, or those up to the first wrong one."""
    until = next((index + 1 for index, check in enumerate(checks) if not check.is_correct), len(checks))
    return checks[:until]


def _stops_early(exercise: Exercise, judged: list[StepCheck]) -> bool:
    return len(judged) < len(exercise.operations) and all(check.is_correct for check in judged)


def _step_verdict(check: StepCheck) -> StepVerdict:
    if check.is_correct:
        return StepVerdict(text=check.line, verdict="correct", explanation=f"{check.expected}.")
    return StepVerdict(text=check.line, verdict="wrong", explanation=f"{check.expected}, not {check.written_value}.")
