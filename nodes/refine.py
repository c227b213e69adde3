"""The actor's refinement of a response after reading its critique."""

import asyncio
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.runnables import Runnable

from critique_graph.calls.caller import CallKey
from critique_graph.calls.players import Players
from critique_graph.core.async_node import BothWays, emit
from critique_graph.core.context import LoopContext
from critique_graph.core.prompts import DEFAULT_PROMPTS, Prompts
from critique_graph.core.schema import Chain, Critique, Failure
from critique_graph.core.state import ActorCriticState, problem_id, read_chains, write_chains
from critique_graph.core.steps import text_before
from critique_graph.core.untrusted import strip_role_tokens
from critique_graph.nodes.solve import solve_messages, to_response


def refine_messages(
    question: str, response: str, critique: str, prompts: Prompts = DEFAULT_PROMPTS
) -> list[BaseMessage]:
    """Build the actor's refinement prompt: it extends the solve prompt, so that its prefix is cached.

    Only where the wording has examples of refinements, they come in the place of those of solutions.
    """

    def turns(problem: str, response: str, critique: str) -> list[BaseMessage]:
        return [
            HumanMessage(prompts.solve.filled(problem=problem)),
            AIMessage(strip_role_tokens(response)),
            HumanMessage(prompts.refine.filled(critique=critique)),
        ]

    asked = turns(question, response, critique)
    if prompts.refine.examples:
        return [*prompts.solve.begun(), *prompts.refine.shown(turns), *asked]
    return [*solve_messages(question, prompts), *asked[1:]]


OPENING = "Solution:\n"
"""What a refinement begins with where no step was named wrong; it is no part of the refinement."""


def beginning(response: str, critique: Critique) -> str:
    """Give the steps before the first one that the critic judged wrong, with which a refinement begins; may be empty.

    A small model whose refinement is not begun for it mostly gives the answer alone.
    """
    place = critique.first_wrong_step
    return strip_role_tokens(text_before(response, place)) if place else ""


def create_refine(players: Players[LoopContext]) -> Runnable[ActorCriticState, dict[str, Any]]:
    """Create the node that refines the latest response of every open chain.

    Each refinement sees only the question, the latest response and its critique (the paper's sequential protocol is
    Markov). A model that was not trained to refine is given the beginning of its refinement, if it can continue one.
    After a truncated or failed refinement, the response before it stays the chain's latest.
    """

    async def refine(state: ActorCriticState) -> dict[str, Any]:
        rules, call_actor = players.context().rules, players.caller("actor")
        problem = problem_id(state)

        async def improve(chain: Chain) -> Chain:
            if chain.stop is not None or chain.latest is None:
                return chain
            last, number = chain.rounds[-1], len(chain.rounds)
            messages = refine_messages(state["question"], chain.latest.text, last.critique.text, players.prompts)
            begun, options = "", dict[str, Any]()
            if not call_actor.is_trained_here and await call_actor.can_continue():
                begun, options = beginning(chain.latest.text, last.critique), {"continue_final_message": True}
                messages = [*messages, AIMessage(begun or OPENING)]
            outcome = await call_actor(messages, CallKey(problem, "actor", chain.index, number), **options)
            if isinstance(outcome, Failure):
                emit("failure", chain=chain.index, round=number, kind=outcome.kind, message=outcome.message)
                return chain.model_copy(update={"stop": "failed", "failure": outcome})
            refinement = to_response(outcome.model_copy(update={"text": begun + outcome.text}), players.grader)
            emit("refinement", chain=chain.index, round=number, text=refinement.text, answer=refinement.answer)
            is_last = number == rules.rounds and not rules.needs_verdicts
            return chain.model_copy(
                update={
                    "rounds": (*chain.rounds[:-1], last.model_copy(update={"refinement": refinement})),
                    "stop": "truncated" if refinement.is_truncated else "rounds" if is_last else None,
                }
            )

        return write_chains(await asyncio.gather(*map(improve, read_chains(state))))

    return BothWays(refine)
