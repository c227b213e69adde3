"""Self-talk: a path with the critic's words inserted after every step, mistakes and their repair included.

The paper reflects after each step instead of after the whole answer; its wording is not known, so the forms here are
ours. A talk is read from a chain in which every critique, with the repair that follows it, is a round.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Literal

from critique_graph.core.schema import Chain, Critique, Failure, Record, Response, Round, Verdict
from critique_graph.core.steps import is_answer, split_steps

SAID: dict[Verdict, str] = {"correct": "Correct.", "wrong": "Wrong."}
"""What the exact form says about a step before the critic's explanation: words that critiques use too."""

TalkDropReason = Literal[
    "duplicate",  # the same talk as an earlier one of the problem
    "truncated",  # the token limit cut off a response or the talk
    "ungraded",  # the answer cannot be read, or cannot be compared
    "unreadable",  # a critique cannot be read, or contradicts itself
    "false_alarm",  # the path was correct as first written, but the critic called it wrong
    "not_located",  # the critic called the path wrong, but none of its steps
    "not_continued",  # the actor changed steps before the one to repair
    "given_up",  # the path is still judged wrong after the last repair, or the recursion limit came before it
    "answer_wrong",  # the critic finds no error any more, but the answer does not equal the reference
    "answer_lost",  # the smoothed talk gives another answer
    "step_lost",  # a step is missing from the smoothed talk
    "failed",  # a model call failed for good
]


class Thought(Record):
    """One step, and what the critic said about it."""

    step: str
    verdict: Verdict | None = None
    """Verdict on the step; None for the answer that ends the talk, and for a step the critic left out."""
    explanation: str = ""
    reasoning: str = ""
    """The critic's reasoning about the step, if it was requested and can be assigned to the step."""


class SelfTalk(Record):
    """One path, its critiques and repairs, and the talk made from them."""

    chain: Chain
    """The path as first written, with its rounds of critique and repair; the grades come from the reference."""
    thoughts: tuple[Thought, ...] = ()
    """The steps in the order of the talk; a repaired step comes before the step that replaced it."""
    response: Response | None = None
    """The talk; None if the path was dropped before the talk was written."""
    drop: TalkDropReason | None = None
    failure: Failure | None = None

    @property
    def repairs(self) -> int:
        """How many steps of the talk are mistakes; each is corrected directly after it."""
        return sum(thought.verdict == "wrong" for thought in self.thoughts)


def place_of_error(response: str, critique: Critique) -> int | None:
    """Give the 0-based index of the step to repair: the first wrong step, or the answer if only the answer is wrong.

    None when no step can be named.
    """
    if critique.first_error is not None:
        return critique.first_wrong_step
    steps = split_steps(response)
    return len(steps) - 1 if steps and is_answer(steps[-1]) else None


def spliced(chain: Chain, *, with_reasoning: bool = False) -> tuple[Thought, ...]:
    """Insert the critiques of a chain into its path; the chain's last critique finds no error.

    With reasoning, a step also gets the line that the critic's reasoning has under the step's number (`Step 3: ...`),
    if there is one.

    A repair continues from before the wrong step. So the steps that followed the wrong step are not in the talk, and
    neither are repairs of later steps when an earlier step is found to be wrong afterwards. A mistake that is made
    again is told once.
    """
    assert chain.response is not None
    path, mistakes = chain.response.text, list[tuple[int, Thought]]()
    for judged in chain.rounds:
        if judged.refinement is None:
            break
        place = place_of_error(path, judged.critique)
        assert place is not None
        thought = Thought(
            step=split_steps(path)[place],
            verdict="wrong",
            explanation=_reason(judged.critique),
            reasoning=_reasoning(judged, place) if with_reasoning else "",
        )
        mistakes = [known for known in mistakes if known[0] <= place and known != (place, thought)]
        mistakes.append((place, thought))
        path = judged.refinement.text
    said = {step.step_index: step for step in reversed(chain.rounds[-1].critique.steps)}
    thoughts: list[Thought] = []
    for index, step in enumerate(split_steps(path)):
        thoughts += [known for before, known in mistakes if before == index]
        judgement = None if is_answer(step) else said.get(index)
        thoughts.append(
            Thought(step=step)
            if judgement is None
            else Thought(
                step=step,
                verdict=judgement.verdict,
                explanation=judgement.explanation,
                reasoning=_reasoning(chain.rounds[-1], index) if with_reasoning else "",
            )
        )
    return tuple(thoughts)


def told(thoughts: Iterable[Thought]) -> str:
    """Write thoughts in the exact form: each step on a line, then the reasoning and the verdict about it."""
    return "\n".join(line for thought in thoughts for line in _lines(thought))


def trajectory(chain: Chain, *, with_reasoning: bool = False) -> list[str]:
    """Give the same history as whole responses: response, critique, repaired response, and so on.

    The critiques come after their reasoning if it is asked for. The list ends in the correct response; a response that
    was correct as first written is followed by its critique.
    """
    assert chain.response is not None
    parts = [chain.response.text.strip()]
    for judged in chain.rounds:
        if judged.refinement is not None:
            parts += [_critique(judged, with_reasoning), judged.refinement.text.strip()]
        elif len(parts) == 1:
            parts.append(_critique(judged, with_reasoning))
    return parts


def steps_of(thoughts: Sequence[Thought]) -> list[str]:
    """Give the steps that a talk must keep: all except its answer, whose value is graded."""
    return [thought.step for thought in thoughts if not (thought is thoughts[-1] and is_answer(thought.step))]


def _reason(critique: Critique) -> str:
    """Say why the step to repair is wrong, in the critic's words."""
    if critique.first_error is None:
        return critique.final_explanation
    return critique.steps[critique.first_error].explanation


def _reasoning(judged: Round, index: int) -> str:
    """Give the line of the critic's reasoning under a step's number; empty if the reasoning does not number steps."""
    found = re.search(rf"^step {index + 1}: *(.+)$", judged.call.reasoning or "", re.IGNORECASE | re.MULTILINE)
    return found[1].strip() if found else ""


def _critique(judged: Round, with_reasoning: bool) -> str:
    thoughts = [judged.call.reasoning] if with_reasoning and judged.call.reasoning else []
    return "\n\n".join([*thoughts, judged.critique.text.strip()])


def _lines(thought: Thought) -> list[str]:
    if thought.verdict is None:
        return [thought.step]
    said = " ".join((SAID[thought.verdict], *thought.explanation.split()))
    return [thought.step, thought.reasoning, said] if thought.reasoning else [thought.step, said]
