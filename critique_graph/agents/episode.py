"""What happened to one question of an agent: its answers, what the critic said of each, and which one counts."""

from typing import Literal

from pydantic import JsonValue

from critique_graph.core.reasons import ChainStop
from critique_graph.core.schema import (
    Ballot,
    BallotEntry,
    Chain,
    Failure,
    Judgement,
    Problem,
    Record,
    Response,
    Round,
    Trace,
    Usage,
)
from critique_graph.core.verdicts import MAJORITY, round_of, verdict_of
from critique_graph.grading.grader import Grader
from critique_graph.grading.records import graded_chain
from critique_graph.nodes.changes import changes_of

Status = Literal["passed", "rejected", "unjudged"]
"""`passed`: the critic called the answer correct; `rejected`: wrong; `unjudged`: there is no readable verdict."""
Ending = Literal[
    "judged_correct",  # the critic called the latest answer correct
    "rounds",  # all rounds were used
    "budget",  # the token budget was spent
    "recursion_limit",  # LangGraph's recursion limit left too few steps for another round
    "no_verdict",  # no critique of the latest answer could be read
    "critic_failed",  # no critique of the latest answer came
    "no_text",  # the agent's last message has no text to judge
]
GRAPH = "agent"
"""Name of the graph in traces of agents."""


class Attempt(Record):
    """One answer of the agent, and what the critic said of it."""

    message_id: str | None
    messages: int
    """Number of the agent's messages since the attempt before, calls of tools included."""
    response: Response
    judgements: tuple[Judgement, ...] = ()
    failure: Failure | None = None
    """Why no critique came, if none did."""

    @property
    def approval(self) -> float | None:
        """Share of the readable verdicts that are `correct`; None if there is none."""
        verdicts = [given.critique.final for given in self.judgements if given.critique.final is not None]
        return verdicts.count("correct") / len(verdicts) if verdicts else None

    @property
    def status(self) -> Status:
        """What the critic found; half of the verdicts are enough to reject an answer."""
        verdict = verdict_of((given.critique.final for given in self.judgements), MAJORITY)
        return "unjudged" if verdict is None else "passed" if verdict == "correct" else "rejected"

    @property
    def round(self) -> Round | None:
        """All critiques as a round of a trace, with the one that the agent is told; None if there are none."""
        return round_of(self.judgements, MAJORITY) if self.judgements else None


class Episode(Record):
    """One question of an agent, from the user's message to the answer that counts."""

    problem: Problem
    start: int
    """Number of messages that the conversation had before the agent began."""
    attempts: tuple[Attempt, ...] = ()
    seconds: float = 0.0
    """Time that the critic took."""
    left_out: int = 0
    """Number of characters of the conversation that the critic was not shown."""

    @property
    def usage(self) -> dict[str, Usage]:
        """Tokens by role."""
        actor = Usage.sum(attempt.response.call.usage for attempt in self.attempts)
        critic = Usage.sum(given.call.usage for attempt in self.attempts for given in attempt.judgements)
        return {"actor": actor, "critic": critic, "total": actor + critic}

    @property
    def best(self) -> Attempt:
        """The answer that counts: one that passed before one without a verdict before one that was rejected.

        Of several, the one with the greatest share of approval; then the latest, as in the loop. One without text comes
        last.
        """
        order = ("rejected", "unjudged", "passed")

        def worth(attempt: Attempt) -> tuple[bool, int, float]:
            return bool(attempt.response.text.strip()), order.index(attempt.status), attempt.approval or 0.0

        return max(reversed(self.attempts), key=worth)


async def trace_of(episode: Episode, ending: Ending, grader: Grader, settings: dict[str, JsonValue]) -> Trace:
    """Give an episode as a trace of one chain, which `export` and `train` take; graded, if there is a reference."""
    first, *others = episode.attempts
    refinements = [*(attempt.response for attempt in others), None]
    rounds = tuple(
        attempt.round.model_copy(update={"refinement": refinement})
        for attempt, refinement in zip(episode.attempts, refinements, strict=True)
        if attempt.round is not None
    )
    chain = Chain(
        index=0, response=first.response, rounds=rounds, stop=_STOPS[ending], failure=episode.attempts[-1].failure
    )
    answer, reference, grade = episode.best.response.answer, episode.problem.answer, None
    if reference is not None:
        grade = await grader.grade(answer, reference)
        chain = await graded_chain(chain, reference, grader)
    return Trace(
        problem=episode.problem,
        graph=GRAPH,
        settings=settings,
        chains=(chain,),
        ballot=_ballot(answer),
        answer=answer,
        correct=None if grade is None or grade.outcome == "ungraded" else grade.is_correct,
        grade=grade,
        usage=episode.usage,
        changes=changes_of([chain]),
        seconds=round(episode.seconds, 4),
    )


_STOPS: dict[Ending, ChainStop] = {
    "judged_correct": "judged_correct",
    "rounds": "rounds",
    "budget": "budget",
    "recursion_limit": "recursion_limit",
    "no_verdict": "judged_unparsed",
    "critic_failed": "failed",
    "no_text": "failed",
}


def _ballot(answer: str | None) -> Ballot:
    if answer is None:
        return Ballot(rule="final", unparsed=(0,))
    return Ballot(rule="final", entries=(BallotEntry(answer=answer, weight=1.0, chains=(0,)),), winner=answer)
