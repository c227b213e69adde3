"""Self-talk: a path with the critic's words spliced in after every step, mistakes and their repair included.

The paper reflects after each step instead of after the whole answer; how it words that is not known, the forms here are
ours. A talk is read off a chain: every critique of it, and every repair, is a round.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Literal

from critique_graph.core.schema import Chain, Critique, Failure, Record, Response, Round, Verdict
from critique_graph.core.steps import is_answer, split_steps

SAID: dict[Verdict, str] = {"correct": "Correct.", "wrong": "Wrong."}
"""What the exact form says of a step before the critic's explanation: words that critiques have, too."""

TalkDropReason = Literal[
    "duplicate",  # the same talk as an earlier one of the problem
    "truncated",  # the token limit cut off a response or the talk
    "ungraded",  # no answer to read, or one that cannot be compared
    "unreadable",  # a critique cannot be read, or contradicts itself
    "false_alarm",  # the path was right as it was first written, and the critic called it wrong
    "not_located",  # the critic called the path wrong, and no step of it
    "not_continued",  # the actor changed steps before the one to repair
    "given_up",  # still judged wrong after the last repair
    "answer_wrong",  # the critic finds no error any more; the reference does
    "answer_lost",  # the smoothed talk gives another answer
    "step_lost",  # a step is not in the smoothed talk any more
    "failed",  # a model call failed for good
]


class Thought(Record):
    """One step, and what the critic said of it."""

    step: str
    verdict: Verdict | None = None
    """None for the answer that ends the talk, and for a step the critic passed over."""
    explanation: str = ""
    reasoning: str = ""
    """What the critic thought of the step before it wrote that, where this was asked for and can be told apart."""


class SelfTalk(Record):
    """One path, what the critic and its repairs made of it, and the talk."""

    chain: Chain
    """The path as it was first written, and rounds of critiques and repairs; its grades are of the reference."""
    thoughts: tuple[Thought, ...] = ()
    """The steps in the order of the talk, repaired ones before what replaced them."""
    response: Response | None = None
    """The talk; None where it was dropped before there was one."""
    drop: TalkDropReason | None = None
    failure: Failure | None = None

    @property
    def repairs(self) -> int:
        """How many steps of the talk are mistakes, each put right after it."""
        return sum(thought.verdict == "wrong" for thought in self.thoughts)


def place_of_error(response: str, critique: Critique) -> int | None:
    """Give the 0-based index of the step to repair: the first wrong one; where only the answer is wrong, the answer.

    None where no step can be named.
    """
    if critique.first_error is not None:
        return critique.first_wrong_step
    steps = split_steps(response)
    return len(steps) - 1 if steps and is_answer(steps[-1]) else None


def spliced(chain: Chain, *, with_reasoning: bool = False) -> tuple[Thought, ...]:
    """Splice the critiques of a chain into its path; its last critique finds no error.

    With reasoning, a step also has the line that the critic's has under the step's number (`Step 3: ...`), if any.

    A repair goes on from before the wrong step, so what followed that step is not in the talk, and neither are repairs
    of later steps where an earlier one is found to be wrong after all. A mistake that is made again is told once.
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
    """Write thoughts in the exact form: each step on a line, and what is thought and said of it on the next ones."""
    return "\n".join(line for thought in thoughts for line in _lines(thought))


def trajectory(chain: Chain, *, with_reasoning: bool = False) -> list[str]:
    """Give the same one level up: whole paths and whole critiques in turn, these after their reasoning if asked for.

    It ends in the path that is right; one that was right as it was first written is followed by its critique.
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
    """Give the steps that a talk must keep: all but its answer, whose value is graded."""
    return [thought.step for thought in thoughts if not (thought is thoughts[-1] and is_answer(thought.step))]


def _reason(critique: Critique) -> str:
    """Say why the step to repair is wrong, in the critic's words."""
    if critique.first_error is None:
        return critique.final_explanation
    return critique.steps[critique.first_error].explanation


def _reasoning(judged: Round, index: int) -> str:
    """Give what the critic's reasoning has under a step's number; nothing where it does not number steps."""
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
