"""Answers made to hang, crash or exhaust a grader: each gets a grade with a reason, and the event loop runs on."""

import asyncio
import time
from itertools import pairwise

import pytest

from critique_graph.grading.grader import MathGrader

TIMEOUT, TOO_COMPLEX = ("ungraded", "timeout"), ("ungraded", "too_complex")
UNREADABLE, NO_ANSWER = ("incorrect", "unreadable_answer"), ("incorrect", "no_answer")

CHEAP = [
    pytest.param(r"\sqrt{" * 100 + "2" + "}" * 100, TOO_COMPLEX, id="deep-roots"),
    pytest.param(r"\frac{1}{" * 500 + "2" + "}" * 500, TOO_COMPLEX, id="deep-fractions"),
    pytest.param("9" * 1_000_000, TOO_COMPLEX, id="megabyte-of-digits"),
    pytest.param(r"\boxed{" + "9" * 1_000_000 + "}", TOO_COMPLEX, id="megabyte-in-a-box"),
    pytest.param(r"\[" * 4_000, TOO_COMPLEX, id="open-displays"),
    pytest.param(r"\boxed{" * 14_000, TOO_COMPLEX, id="open-boxes"),
    pytest.param("(" * 20_000, TOO_COMPLEX, id="open-brackets"),
    pytest.param("{" * 1_000_000 + "\nend", NO_ANSWER, id="megabyte-of-braces"),
    pytest.param(r"\boxed{" + " " * 60_000 + "}\nend", NO_ANSWER, id="empty-box"),
    pytest.param("The answer is " * 10_000 + "7", ("incorrect", "exact"), id="repeated-statement"),
    pytest.param("$" * 901, NO_ANSWER, id="dollars"),
    pytest.param("\\" * 901, UNREADABLE, id="backslashes"),
    pytest.param("\\boxed{\ud800}", UNREADABLE, id="lone-surrogate"),
    pytest.param("\\boxed{\x00\x1b[31m}", UNREADABLE, id="control-characters"),
    pytest.param("__import__('os').system('true')", UNREADABLE, id="python"),
]
POISON = [
    "9^{9^{9^9}}",
    r"\binom{10^9}{5\cdot 10^8}",
]


@pytest.mark.parametrize(("answer", "expected"), CHEAP)
async def test_malformed_answer_ends_as_a_grade(grader: MathGrader, answer: str, expected: tuple[str, str]) -> None:
    decided = await grader.grade(answer, "x+5")

    assert (decided.outcome, decided.reason) == expected


@pytest.mark.slow
async def test_poison_costs_neither_the_event_loop_nor_the_other_answers(grader: MathGrader) -> None:
    ticks = [time.monotonic()]

    async def tick() -> None:
        while True:
            await asyncio.sleep(0.01)
            ticks.append(time.monotonic())

    ticking = asyncio.create_task(tick())
    benign = [(rf"\log_{{2}}{{8}}+{n}x", f"3+{n}x") for n in range(2, 7)]
    grades = await asyncio.gather(
        *(grader.grade(answer, "x+5") for answer in POISON), *(grader.grade(*pair) for pair in benign)
    )
    ticking.cancel()

    assert [(grade.outcome, grade.reason) for grade in grades[: len(POISON)]] == [TIMEOUT] * len(POISON)
    assert [grade.outcome for grade in grades[len(POISON) :]] == ["correct"] * len(benign)
    # A blocked loop would stand still for two seconds and more; a loaded machine delays a tick by far less.
    assert max(later - earlier for earlier, later in pairwise(ticks)) < 1.5
