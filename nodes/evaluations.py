"""What the loop finds out about responses: the critic's verdicts, and what refinements did to answers.

The callbacks of LangChain are told of them once a problem is done.
"""

from collections.abc import Iterable, Iterator
from typing import Literal

from langchain_core.callbacks import adispatch_custom_event

from critique_graph.calls.invoke import may_be_heard
from critique_graph.core.schema import Chain, Record, Response
from critique_graph.nodes.changes import is_same_answer

EVALUATIONS = "critique_graph_evaluations"
"""Name of the custom event with all evaluations of a problem."""
FlipLabel = Literal[
    "wrong_to_correct", "correct_to_wrong", "stays_wrong", "stays_correct", "answer_changed", "answer_kept"
]


class Evaluation(Record):
    """A verdict on a response, or what a refinement did."""

    name: Literal["critic_verdict", "flip"]
    problem: str
    chain: int
    round: int
    """The response: 0 is the first one, r the refinement of round r."""
    label: Literal["correct", "wrong", "unreadable"] | FlipLabel
    """A flip is `answer_changed` or `answer_kept` where answers are not graded."""
    score: float | None = None
    """Of a verdict 1 for correct, 0 for wrong; of a graded flip 1, 0, or -1 for the worse; else None."""
    explanation: str = ""
    """What the critic says about the final answer."""


def evaluations_of(problem: str, chains: Iterable[Chain]) -> tuple[Evaluation, ...]:
    """Give the verdicts and flips of one problem, chain by chain, in the order in which they came."""
    return tuple(found for chain in chains for found in _of_chain(problem, chain))


async def announce_evaluations(problem: str, chains: Iterable[Chain]) -> None:
    """Tell the callbacks of this invocation of all verdicts and flips."""
    if may_be_heard():
        found = [evaluation.model_dump(mode="json") for evaluation in evaluations_of(problem, chains)]
        await adispatch_custom_event(EVALUATIONS, found)


def _of_chain(problem: str, chain: Chain) -> Iterator[Evaluation]:
    current, place = chain.response, 0
    for number, turn in enumerate(chain.rounds, 1):
        yield Evaluation(
            name="critic_verdict",
            problem=problem,
            chain=chain.index,
            round=place,
            label=turn.critique.final or "unreadable",
            score=None if turn.critique.final is None else float(turn.critique.final == "correct"),
            explanation=turn.critique.final_explanation,
        )
        kept = turn.kept(current)
        if current is None or kept is None or kept is current:
            continue
        label = _flip(current, kept)
        score = {"wrong_to_correct": 1.0, "correct_to_wrong": -1.0, "stays_wrong": 0.0, "stays_correct": 0.0}.get(label)
        yield Evaluation(name="flip", problem=problem, chain=chain.index, round=number, label=label, score=score)
        current, place = kept, number


def _flip(before: Response, after: Response) -> FlipLabel:
    match before.is_correct, after.is_correct:
        case False, True:
            return "wrong_to_correct"
        case True, False:
            return "correct_to_wrong"
        case False, False:
            return "stays_wrong"
        case True, True:
            return "stays_correct"
    is_same = is_same_answer(before.complete_answer, after.complete_answer)
    return "answer_kept" if is_same else "answer_changed"
