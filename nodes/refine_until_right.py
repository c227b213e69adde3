"""Refinements of wrong responses, sampled until one is correct: the exploration of self-improvement.

Every problem needs a reference answer, which decides what is kept and is in no prompt.
"""

from typing import Any

from langchain_core.runnables import Runnable

from critique_graph.calls.caller import CallKey
from critique_graph.calls.players import Players
from critique_graph.core.async_node import BothWays, emit, together
from critique_graph.core.context import LoopContext
from critique_graph.core.schema import Chain, Failure, Response
from critique_graph.core.state import ActorCriticState
from critique_graph.core.state_records import problem_id, read_chains, reference_of, write_chains
from critique_graph.nodes.refine import ask_for_refinement
from critique_graph.nodes.solve import to_response
from critique_graph.tasks.task import Task


def create_refine_until_right(
    players: Players[LoopContext], *, refinements: int
) -> Runnable[ActorCriticState, dict[str, Any]]:
    """Create the node that samples up to `refinements` refinements of every open chain's response.

    It stops at the first refinement that is correct and no shortcut (`Task.is_shortcut`). The official scripts sample
    all refinements and keep one such; here, those that would be thrown away are not sampled. If there is no such
    refinement, the chain gets the last one.
    """

    async def refine_until_right(state: ActorCriticState) -> dict[str, Any]:
        call_actor, problem = players.caller("actor"), problem_id(state)
        reference = reference_of(state)
        if reference is None:
            raise ValueError("exploration needs a reference answer in the input, got none.")

        async def improve(chain: Chain) -> Chain:
            if chain.stop is not None or chain.latest is None:
                return chain
            before, last = chain.latest, chain.rounds[-1]
            drawn: list[Response] = []
            for number in range(1, refinements + 1):
                outcome = await ask_for_refinement(
                    call_actor,
                    state["question"],
                    before.text,
                    last.critique,
                    CallKey(problem, "actor", chain.index, number),
                    prompts=players.prompts,
                    form=players.context().critique_form,
                    steps=before.own_steps,
                )
                if isinstance(outcome, Failure):
                    emit("failure", chain=chain.index, round=1, kind=outcome.kind, message=outcome.message)
                    return chain.model_copy(update={"stop": "failed", "failure": outcome})
                drawn.append(to_response(outcome, players.task))
                if await is_worked_out(drawn[-1], before, reference, players.task):
                    break
            emit("refinement", chain=chain.index, round=1, text=drawn[-1].text, answer=drawn[-1].answer)
            kept = last.model_copy(update={"refinement": drawn[-1], "discarded": tuple(drawn[:-1])})
            return chain.model_copy(update={"rounds": (*chain.rounds[:-1], kept), "stop": "rounds"})

        return write_chains(await together(improve, read_chains(state)), state)

    return BothWays(refine_until_right)


async def is_worked_out(refinement: Response, before: Response, reference: str, task: Task) -> bool:
    """Tell whether a refinement of a response is whole, correct and no shortcut (`Task.is_shortcut`)."""
    if refinement.is_truncated or task.is_shortcut(refinement.text, before.text):
        return False
    return (await task.grader.grade(refinement.answer, reference)).is_correct
