"""Refine the best responses of a pool that every refinement joins.

    solve ─► critique ─► refine: the best of the pool ─► critique the new ones ─► (refine …) ─► vote over the pool

Every response of the pool is a chain of its own with one round, its critiques; a refinement names the chain that it
refines (`Chain.parent`) and the critique that it was told (`Chain.told`). A response is refined once, by several
refinements, each told another of the critiques that call it wrong; one that was passed over may be among the best of
a later round. The best are those that most critiques approve of, as in the pools of DeepSeek-Math-V2 (arXiv 2511.22570)
and of Nemotron's recipe for the IMO (arXiv 2609.10712).
"""

from collections.abc import Sequence
from typing import Any

from langchain_core.runnables import Runnable

from critique_graph.calls.caller import CallKey
from critique_graph.calls.players import Players
from critique_graph.core.async_node import BothWays, emit, together
from critique_graph.core.context import LoopContext
from critique_graph.core.schema import Chain, Failure, Round
from critique_graph.core.state import ActorCriticState
from critique_graph.core.state_records import problem_id, read_chains, write_chains
from critique_graph.nodes.refine import ask_for_refinement
from critique_graph.nodes.solve import to_response


def create_pool_or(
    refine: Runnable[ActorCriticState, dict[str, Any]], players: Players[LoopContext]
) -> Runnable[ActorCriticState, dict[str, Any]]:
    """Create the node that refines the pool where `refine_best` is set, and is the node `refine` elsewhere."""

    async def run(state: ActorCriticState) -> dict[str, Any]:
        if players.context().rules.refine_best is None:
            return await refine.ainvoke(state)
        return await _refine_pool(state, players)

    return BothWays(run)


async def _refine_pool(state: ActorCriticState, players: Players[LoopContext]) -> dict[str, Any]:
    context, call_actor, problem = players.context(), players.caller("actor"), problem_id(state)
    rules, pool = context.rules, read_chains(state)
    turn = 1 + max(depth(chain, pool) for chain in pool)
    if turn > rules.rounds:
        return write_chains((chain.model_copy(update={"stop": chain.stop or "rounds"}) for chain in pool), state)
    chosen = best(pool, rules.refine_best or 0)
    asked = [(parent, told) for parent in chosen for told in objections(parent.rounds[-1])[: rules.refinements]]

    async def grow(place: int) -> Chain:
        (parent, told), index = asked[place], len(pool) + place
        child = Chain(index=index, parent=parent.index, told=told)
        response = parent.latest
        assert response is not None  # `best` chooses among responses that were critiqued
        outcome = await ask_for_refinement(
            call_actor,
            state["question"],
            response.text,
            parent.rounds[-1].judgements[told].critique,
            CallKey(problem, "actor", index, turn),
            prompts=players.prompts,
            form=context.critique_form,
            steps=response.own_steps,
        )
        if isinstance(outcome, Failure):
            emit("failure", chain=index, round=turn, kind=outcome.kind, message=outcome.message)
            return child.model_copy(update={"stop": "failed", "failure": outcome})
        refinement = to_response(outcome, players.task)
        emit(
            "refinement",
            chain=index,
            round=turn,
            text=refinement.text,
            answer=refinement.answer,
            parent=parent.index,
            told=told,
        )
        is_last = turn == rules.rounds and not rules.needs_verdicts
        stop = "truncated" if refinement.is_truncated else "rounds" if is_last else None
        return child.model_copy(update={"response": refinement, "stop": stop})

    def closed(chain: Chain) -> Chain:
        if chain in chosen:
            return chain.model_copy(update={"stop": "refined"})
        return chain if chain.stop is not None else chain.model_copy(update={"stop": "passed_over"})

    grown = await together(grow, range(len(asked)))
    return write_chains([*map(closed, pool), *grown], state)


def depth(chain: Chain, pool: Sequence[Chain]) -> int:
    """Give the number of refinements from a sample to a response of the pool; a chain's index is its place there."""
    refinements = 0
    while chain.parent is not None:
        chain, refinements = pool[chain.parent], refinements + 1
    return refinements


def best(pool: Sequence[Chain], number: int) -> list[Chain]:
    """Give the responses of the pool to refine next, of those that were called wrong and are not refined yet.

    The best are those that the largest share of their critiques approves of, the older ones first.
    """
    waiting = [chain for chain in pool if chain.rounds and chain.stop in (None, "passed_over")]
    return sorted(waiting, key=lambda chain: -_approval(chain.rounds[-1]))[:number]


def objections(turn: Round) -> list[int]:
    """Give the places, among the critiques of a response, of those that call it wrong and are not the same text.

    The one that stands for all comes first, then those that find the error in a step, another step before the same.
    """
    judgements = turn.judgements
    found: dict[str, int] = {}
    for place, given in enumerate(judgements):
        if given.critique.final == "wrong":
            found.setdefault(given.critique.text, place)
    places, steps = list(found.values()), set[int | None]()
    fresh: list[int] = []
    for place in places:
        step = judgements[place].critique.first_wrong_step
        if step is not None and step not in steps:
            fresh.append(place)
        steps.add(step)
    return fresh + [place for place in places if place not in fresh]


def _approval(turn: Round) -> float:
    return turn.approvals / len(turn.judgements)
