"""The actor's repair of a path, which is cut before the first step judged wrong and continued with its critique.

Where the actor's model can continue a message of its own, it continues the steps before the cut; any other model is
asked for a whole refinement, which must repeat those steps.
"""

from typing import Any

from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables import Runnable

from critique_graph.calls.caller import CallKey
from critique_graph.calls.players import Players
from critique_graph.core.async_node import BothWays, emit, together
from critique_graph.core.context import SelfTalkContext
from critique_graph.core.prompts import DEFAULT_PROMPTS, Prompts
from critique_graph.core.reasons import ChainStop
from critique_graph.core.schema import Chain, Failure
from critique_graph.core.splice import place_of_error
from critique_graph.core.state import ActorCriticState
from critique_graph.core.state_records import problem_id, read_chains, write_chains
from critique_graph.core.steps import split_steps, text_before
from critique_graph.core.untrusted import strip_role_tokens
from critique_graph.nodes.refine import refine_messages, told
from critique_graph.nodes.solve import to_response


def repair_messages(
    question: str, response: str, critique: str, begun: str, prompts: Prompts = DEFAULT_PROMPTS
) -> list[BaseMessage]:
    """Build the prompt that has the actor continue, after the critique, the correct steps of its response."""
    return [*refine_messages(question, response, critique, prompts), AIMessage(strip_role_tokens(begun))]


def create_repair(players: Players[SelfTalkContext]) -> Runnable[ActorCriticState, dict[str, Any]]:
    """Create the node that repairs every open chain's path from the first error that its critique finds."""

    async def repair(state: ActorCriticState) -> dict[str, Any]:
        call_actor, context = players.caller("actor"), players.context()
        problem, question = problem_id(state), state["question"]

        async def repaired(chain: Chain) -> Chain:
            if chain.stop is not None or chain.latest is None:
                return chain
            path, last, number = chain.latest.text, chain.rounds[-1], len(chain.rounds)
            if not last.critique.is_readable:
                return _stopped(chain, "judged_unparsed")
            if (place := place_of_error(path, last.critique)) is None:
                return _stopped(chain, "not_located")
            begun = text_before(path, place) if await call_actor.can_continue() else ""
            key = CallKey(problem, "actor", chain.index, number)
            critique = told(last.critique, call_actor, context.critique_form)
            if begun:
                messages = repair_messages(question, path, critique, begun, players.prompts)
                outcome = await call_actor(
                    messages, key, temperature=context.repair_temperature, continue_final_message=True
                )
            else:
                messages = refine_messages(question, path, critique, players.prompts)
                outcome = await call_actor(messages, key, temperature=context.repair_temperature)
            if isinstance(outcome, Failure):
                return chain.model_copy(update={"stop": "failed", "failure": outcome})
            refinement = to_response(outcome.model_copy(update={"text": begun + outcome.text}), players.task)
            emit("repair", chain=chain.index, round=number, step=place, text=refinement.text, answer=refinement.answer)
            rounds = (*chain.rounds[:-1], last.model_copy(update={"refinement": refinement}))
            chain = chain.model_copy(update={"rounds": rounds})
            if refinement.is_truncated:
                return _stopped(chain, "truncated")
            is_kept = split_steps(refinement.text)[:place] == split_steps(path)[:place]
            return chain if is_kept else _stopped(chain, "not_continued")

        return write_chains(await together(repaired, read_chains(state)), state)

    return BothWays(repair)


def _stopped(chain: Chain, stop: ChainStop) -> Chain:
    return chain.model_copy(update={"stop": stop})
