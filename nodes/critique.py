"""The critic's judgement of each open chain's latest response, and what follows from it.

A chain is open until its `stop` is set. The gate (`Context.gate`) decides which responses are refined; only the gate
`oracle` looks at the reference, which never reaches a prompt.
"""

import asyncio
from typing import Any

from langchain_core.messages import BaseMessage
from langchain_core.runnables import Runnable

from critique_graph.calls.caller import CallKey
from critique_graph.calls.players import Players
from critique_graph.core.async_node import BothWays, emit
from critique_graph.core.context import CritiqueForm, LoopContext, LoopRules
from critique_graph.core.prompts import DEFAULT_PROMPTS, Prompts
from critique_graph.core.schema import Chain, ChainStop, Critique, Failure, Round, Usage
from critique_graph.core.state import ActorCriticState, problem_id, read_chains, reference_of, write_chains
from critique_graph.nodes.ask_critique import ask_for_critique


def critique_messages(
    question: str, response: str, prompts: Prompts = DEFAULT_PROMPTS, *, form: CritiqueForm = "text"
) -> list[BaseMessage]:
    """Build the critic's prompt; the problem comes first, so that all prompts about it share a prefix."""
    wording = prompts.critique.in_json() if form != "text" else prompts.critique
    return wording.messages(problem=question, response=response)


def create_critique(players: Players[LoopContext]) -> Runnable[ActorCriticState, dict[str, Any]]:
    """Create the node that critiques the latest response of every open chain."""

    async def critique(state: ActorCriticState) -> dict[str, Any]:
        rules, call_critic = players.context().rules, players.caller("critic")
        problem, chains = problem_id(state), read_chains(state)
        budget = rules.token_budget
        is_budget_spent = budget is not None and _tokens_used(chains) >= budget

        async def judge(chain: Chain) -> Chain:
            if chain.stop is not None or chain.latest is None:
                return chain
            if is_budget_spent:
                return chain.model_copy(update={"stop": "budget"})
            if rules.gate == "oracle" and await _agrees_with_reference(chain, state, players):
                return chain.model_copy(update={"stop": "reference_correct"})
            response, number = chain.latest, len(chain.rounds) + 1
            outcome = await ask_for_critique(
                call_critic,
                lambda form: critique_messages(state["question"], response.text, players.prompts, form=form),
                response.text,
                CallKey(problem, "critic", chain.index, number),
                form=players.context().critique_form,
                retries=players.context().retry_unreadable,
            )
            if isinstance(outcome, Failure):
                emit("failure", chain=chain.index, round=number, kind=outcome.kind, message=outcome.message)
                return chain.model_copy(update={"stop": "failed", "failure": outcome})
            judgement, reply = outcome
            emit("critique", chain=chain.index, round=number, **judgement.model_dump(mode="json"))
            return chain.model_copy(
                update={
                    "rounds": (*chain.rounds, Round(critique=judgement, call=reply.call)),
                    "stop": _stop_after(judgement, number, rules),
                }
            )

        return write_chains(await asyncio.gather(*map(judge, chains)))

    return BothWays(critique)


async def _agrees_with_reference(chain: Chain, state: ActorCriticState, players: Players[LoopContext]) -> bool:
    reference = reference_of(state)
    if reference is None:
        raise ValueError("gate='oracle' needs a reference answer in the input, got none.")
    assert chain.latest is not None
    return (await players.grader.grade(chain.latest.answer, reference)).is_correct


def _stop_after(critique: Critique, number: int, rules: LoopRules) -> ChainStop | None:
    """Give the reason why no refinement follows critique `number` (1-based); None when one follows."""
    if rules.gate == "when_wrong" and critique.final == "correct":
        return "judged_correct"
    if number > rules.rounds:  # the closing critique of a vote that weighs verdicts
        return "rounds"
    if rules.gate == "when_wrong" and critique.final is None:
        return "judged_unparsed"
    return None


def _tokens_used(chains: list[Chain]) -> int:
    return Usage.sum(chain.usage(role) for chain in chains for role in ("actor", "critic")).total_tokens
