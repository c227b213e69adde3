"""The actor as part of a reward: it refines responses with critiques, all at once, and the refinements are graded."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from critique_graph.calls.breaker import Breakers, Patience
from critique_graph.calls.caller import Caller, CallKey
from critique_graph.core.errors import CritiqueGraphError
from critique_graph.core.prompts import Prompts
from critique_graph.core.schema import Call, Failure, Response
from critique_graph.grading.records import graded_response
from critique_graph.nodes.refine import ask_for_refinement
from critique_graph.nodes.solve import to_response
from critique_graph.tasks.task import Task
from critique_graph.trainers.rewards import Attempt


class RefinerError(CritiqueGraphError):
    """The actor that refines in a reward makes no refinements any more."""


@dataclass(frozen=True)
class Refiner:
    """Refines responses for the reward `helpfulness`; it counts what the loop would keep."""

    actor: Caller
    task: Task
    prompts: Prompts
    patience: Patience
    """How long calls wait for the actor's server."""
    refinements: int = 1
    """Number of refinements per critique. Their seeds depend on the response alone, so that only critiques differ."""

    async def __call__(self, attempts: Sequence[Attempt]) -> list[float | None]:
        """Give, for each attempt, the share of its refinements that are correct; None if none could be made.

        A refinement that the loop would not keep leaves the response as it is. One that gives an answer without
        working it out (`Task.is_shortcut`) does not count as correct.

        Raises:
            RefinerError: The actor's server is lost, or not a single refinement could be made.
        """
        async with Breakers(self.patience) as breakers:
            outcomes = await asyncio.gather(
                *(self._is_correct(attempt, number) for attempt in attempts for number in range(self.refinements))
            )
            lost = breakers.lost
        failures = [outcome for outcome in outcomes if isinstance(outcome, Failure)]
        if lost is not None or (failures and len(failures) == len(outcomes)):
            raise RefinerError(
                f"the partner makes no refinements: {lost or failures[0].message} Once it does, the same command goes "
                "on from the last checkpoint."
            )
        shares: list[float | None] = []
        for begin in range(0, len(outcomes), self.refinements):
            made = [outcome for outcome in outcomes[begin : begin + self.refinements] if isinstance(outcome, bool)]
            shares.append(sum(made) / len(made) if made else None)
        return shares

    async def _is_correct(self, attempt: Attempt, number: int) -> bool | Failure:
        outcome = await ask_for_refinement(
            self.actor,
            attempt.question,
            attempt.response,
            attempt.critique,
            CallKey(attempt.problem, "actor", attempt.chain, number + 1),
            prompts=self.prompts,
            form="text",
        )
        if isinstance(outcome, Failure):
            return outcome
        before = Response(
            text=attempt.response, answer=self.task.grader.extract(attempt.response), call=Call(model="given")
        )
        refinement = to_response(outcome, self.task)
        kept = refinement if refinement.replaces(before) else before
        graded = await graded_response(kept, attempt.reference, self.task.grader)
        return bool(graded.is_correct) and not self.task.is_shortcut(kept.text, before.text)
