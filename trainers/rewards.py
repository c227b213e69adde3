"""Rewards of a critic that learns by reinforcement: `discriminability`, `helpfulness` (Critique-RL, arXiv 2510.24320).

`correctness` rewards an actor. Plain functions with the signature of TRL's reward functions, for any trainer: they get
a list of completions, and for each column of the rows a list that is as long. A completion is a text, or a conversation
that ends in the critique.

Departures from Critique-RL, all ours:

1. A verdict counts only if the steps of the critique are readable, too; otherwise the format decays.
2. In the second stage, an unreadable critique is rewarded by -1, and a wrong verdict loses 0.2 alone; in Critique-RL
   both are rewarded by -1.
3. A response that is called correct is not refined, as in the loop; the response itself counts.
4. A critique that gives the answer away (`gives_answer_away`) is rewarded by 0 at most.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from critique_graph.core.critique import parse_critique
from critique_graph.core.leaks import gives_answer_away
from critique_graph.core.reasoning import mentions_reasoning, split_reasoning
from critique_graph.core.schema import Critique
from critique_graph.grading.grader import grade

AGREES, DISAGREES = 1.0, -1.0
"""Rewards of a verdict; an unreadable critique is rewarded as one that disagrees."""
VERDICT_BONUS = 0.2
"""What a verdict that agrees adds to the reward of the refinement."""
LEAK_LIMIT = 0.0
"""Highest reward of a critique that gives the answer away."""

Completion = str | Sequence[Mapping[str, Any]]
LogMetric = Callable[[str, float], None]


@dataclass(frozen=True)
class Judged:
    """A critique of a response, and what the reference says of it."""

    critique: Critique
    agrees: bool
    """Whether the critique is readable, and its verdict agrees with the reference."""
    is_leak: bool
    """Whether the critique gives the answer away."""


@dataclass(frozen=True)
class Attempt:
    """A critique that calls a response wrong, after which the actor refines the response."""

    problem: str
    chain: int
    """Index of the response among those of the problem."""
    question: str
    response: str
    reference: str
    critique: Critique


class Refine(Protocol):
    """Has the actor refine responses, all at the same time."""

    async def __call__(self, attempts: Sequence[Attempt]) -> list[float | None]:
        """Give, for each attempt, the share of its refinements that are correct; None if none could be made."""
        ...


def correctness(completions: Sequence[Completion], *, reference: Sequence[str], **columns: object) -> list[float]:
    """Reward the answer of each response of an actor: 1 if it equals the reference, else 0. Mathematics alone.

    Args:
        completions: The responses, with the reasoning before them.
        reference: The reference answers.
        columns: Other columns of the rows, which are not needed.
    """
    visible = [split_reasoning(_text(completion))[1] for completion in completions]
    return [float(grade(text, wanted).outcome == "correct") for text, wanted in zip(visible, reference, strict=True)]


def discriminability(
    completions: Sequence[Completion],
    *,
    question: Sequence[str],
    response: Sequence[str],
    reference: Sequence[str],
    is_correct: Sequence[bool],
    log_metric: LogMetric | None = None,
    **columns: object,
) -> list[float]:
    """Reward the verdict of each critique: 1 if it agrees with the reference, -1 if it does not or is unreadable.

    Args:
        completions: The critiques, with the reasoning before them.
        question: The problems.
        response: The responses that are judged.
        reference: The reference answers.
        is_correct: Whether each response is correct.
        log_metric: Called with the name and the value of a figure of this batch.
        columns: Other columns of the rows, which are not needed.
    """
    found = _judge(completions, question, response, reference, is_correct, log_metric)
    return [_limited(AGREES if judged.agrees else DISAGREES, judged) for judged in found]


async def helpfulness(
    completions: Sequence[Completion],
    *,
    refine: Refine,
    problem: Sequence[str],
    chain: Sequence[int],
    question: Sequence[str],
    response: Sequence[str],
    reference: Sequence[str],
    is_correct: Sequence[bool],
    log_metric: LogMetric | None = None,
    **columns: object,
) -> list[float | None]:
    """Reward what each critique leads to: the share of correct refinements, and 0.2 for a verdict that agrees.

    A response that is called correct stays as it is, so it counts itself. None stands for a critique whose refinements
    could not be made, which says nothing about it.

    Args:
        completions: The critiques, with the reasoning before them.
        refine: Has the actor refine responses.
        problem: Ids of the problems.
        chain: Index of each response among those of its problem.
        question: The problems.
        response: The responses that are judged.
        reference: The reference answers.
        is_correct: Whether each response is correct.
        log_metric: Called with the name and the value of a figure of this batch.
        columns: Other columns of the rows, which are not needed.
    """
    found = _judge(completions, question, response, reference, is_correct, log_metric)
    asked = [
        index
        for index, judged in enumerate(found)
        if judged.critique.is_readable and judged.critique.final == "wrong" and not judged.is_leak
    ]
    attempts = [
        Attempt(problem[index], chain[index], question[index], response[index], reference[index], found[index].critique)
        for index in asked
    ]
    shares: dict[int, float | None] = dict(zip(asked, await refine(attempts), strict=True))
    rewards: list[float | None] = []
    for index, judged in enumerate(found):
        share = shares.get(index, float(is_correct[index]))
        if not judged.critique.is_readable:
            rewards.append(DISAGREES)
        elif share is None:
            rewards.append(None)
        else:
            rewards.append(_limited(share + VERDICT_BONUS * judged.agrees, judged))
    return rewards


def _judge(
    completions: Sequence[Completion],
    questions: Sequence[str],
    responses: Sequence[str],
    references: Sequence[str],
    are_correct: Sequence[bool],
    log_metric: LogMetric | None,
) -> list[Judged]:
    """Read critiques, and log how many are unreadable, call their response wrong, and give the answer away."""
    found = []
    rows = zip(completions, questions, responses, references, are_correct, strict=True)
    for completion, question, response, reference, is_correct in rows:
        text = _text(completion)
        _, visible = split_reasoning(text, may_quote=mentions_reasoning(response))
        critique = parse_critique(visible, response, has_reasoning=False)  # as the loop reads a reply
        expected = "correct" if is_correct else "wrong"
        is_leak = gives_answer_away(critique.text, text, question=question, response=response, reference=reference)
        found.append(Judged(critique, critique.is_readable and critique.final == expected, is_leak))
    if log_metric is not None and found:
        for name, values in (
            ("unreadable", [not judged.critique.is_readable for judged in found]),
            ("said_wrong", [judged.critique.final == "wrong" for judged in found]),
            ("leaks", [judged.is_leak for judged in found]),
        ):
            log_metric(name, sum(values) / len(values))
    return found


def _text(completion: Completion) -> str:
    return completion if isinstance(completion, str) else str(completion[-1]["content"])


def _limited(reward: float, judged: Judged) -> float:
    return min(reward, LEAK_LIMIT) if judged.is_leak else reward
