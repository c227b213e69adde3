"""The actor's refinement of a response after reading its critique."""

from collections.abc import Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.runnables import Runnable

from critique_graph.calls.caller import Caller, CallKey
from critique_graph.calls.players import Players
from critique_graph.core.async_node import BothWays, emit, together
from critique_graph.core.context import CritiqueForm, LoopContext
from critique_graph.core.critique import critique_in_prose
from critique_graph.core.prompts import DEFAULT_PROMPTS, Prompts
from critique_graph.core.schema import Chain, Critique, Failure, Reply
from critique_graph.core.state import ActorCriticState
from critique_graph.core.state_records import problem_id, read_chains, write_chains
from critique_graph.core.steps import split_steps, text_before
from critique_graph.core.untrusted import strip_role_tokens
from critique_graph.nodes.solve import solve_messages, to_response


def refine_messages(
    question: str, response: str, critique: str, prompts: Prompts = DEFAULT_PROMPTS
) -> list[BaseMessage]:
    """Build the actor's refinement prompt: it extends the solve prompt, so that its prefix is cached.

    Only where the wording has examples of refinements, they come in the place of those of solutions.
    """

    def answered(response: str, critique: str) -> list[BaseMessage]:
        return [AIMessage(strip_role_tokens(response)), HumanMessage(prompts.refine.filled(critique=critique))]

    def turns(problem: str, response: str, critique: str) -> list[BaseMessage]:
        return [HumanMessage(prompts.solve.filled(problem=problem)), *answered(response, critique)]

    if prompts.refine.examples:
        return [*prompts.solve.begun(), *prompts.refine.shown(turns), *turns(question, response, critique)]
    return [*solve_messages(question, prompts), *answered(response, critique)]


OPENING = "Solution:\n"
"""What a refinement begins with where no step can be kept; it is no part of the refinement."""


def beginning(response: str, critique: Critique | None, steps: Sequence[str] | None = None) -> str:
    """Give the steps before the first one that the critic judged wrong, with which a refinement begins; may be empty.

    Where no step was judged wrong, it is the first step: a small model whose refinement is not begun for it mostly
    gives the answer alone, and one that is given all steps adds nothing.
    """
    place = None if critique is None else critique.first_wrong_step
    steps = split_steps(response) if steps is None else steps
    kept = min(1, len(steps) - 1) if place is None else place
    return strip_role_tokens(text_before(response, kept, steps)) if kept > 0 else ""


def told(critique: Critique, caller: Caller, form: CritiqueForm) -> str:
    """Give a critique as an actor is told it: in prose, unless it was trained on the fixed format, or `text` is wanted.

    Small models copy the labels of the fixed format into their refinements.
    """
    return critique.text if caller.is_trained_here or form == "text" else critique_in_prose(critique)


async def ask_for_refinement(
    call_actor: Caller,
    question: str,
    response: str,
    critique: Critique | None,
    key: CallKey,
    *,
    prompts: Prompts,
    form: CritiqueForm,
    steps: Sequence[str] | None = None,
    seed_key: CallKey | None = None,
) -> Reply | Failure:
    """Have the actor refine a response; the text of the reply is the whole refinement.

    A model that was not trained to refine is given the beginning of its refinement, if it can continue one.

    Args:
        call_actor: The actor.
        question: The problem.
        response: The response that is refined.
        critique: Its critique; None asks for a refinement without one.
        key: The call's place in the graph.
        prompts: Wording of the prompts.
        form: The form in which critiques are asked for.
        steps: Steps of the response; None: those of `split_steps`.
        seed_key: The key whose seed is used, if several calls should share one.
    """
    said = "" if critique is None else told(critique, call_actor, form)
    messages = refine_messages(question, response, said, prompts)
    if call_actor.is_trained_here or not await call_actor.can_continue():
        return await call_actor(messages, key, seed_key=seed_key)
    begun = beginning(response, critique, steps)
    messages = [*messages, AIMessage(begun or OPENING)]
    outcome = await call_actor(messages, key, seed_key=seed_key, continue_final_message=True)
    if isinstance(outcome, Failure):
        return outcome
    return outcome.model_copy(update={"text": begun + outcome.text if begun else outcome.text.lstrip()})


def create_refine(players: Players[LoopContext]) -> Runnable[ActorCriticState, dict[str, Any]]:
    """Create the node that refines the latest response of every open chain.

    Each refinement sees only the question, the latest response and its critique (the paper's sequential protocol is
    Markov). After a refinement that is cut off, failed or has no answer, the response before it
    stays the chain's latest.
    """

    async def refine(state: ActorCriticState) -> dict[str, Any]:
        context, problem = players.context(), problem_id(state)
        rules, call_actor = context.rules, players.caller("actor", context)

        async def improve(chain: Chain) -> Chain:
            if chain.stop is not None or chain.latest is None:
                return chain
            last, number = chain.rounds[-1], len(chain.rounds)
            outcome = await ask_for_refinement(
                call_actor,
                state["question"],
                chain.latest.text,
                last.critique,
                CallKey(problem, "actor", chain.index, number),
                prompts=players.prompts,
                form=context.critique_form,
                steps=chain.latest.own_steps,
            )
            if isinstance(outcome, Failure):
                emit("failure", chain=chain.index, round=number, kind=outcome.kind, message=outcome.message)
                return chain.model_copy(update={"stop": "failed", "failure": outcome})
            refinement = to_response(outcome, players.task)
            emit("refinement", chain=chain.index, round=number, text=refinement.text, answer=refinement.answer)
            is_last = number == rules.rounds and not rules.needs_verdicts
            written = {"refinement": refinement, "is_preferred": False if rules.keep_original else None}
            return chain.model_copy(
                update={
                    "rounds": (*chain.rounds[:-1], last.model_copy(update=written)),
                    "stop": "truncated" if refinement.is_truncated else "rounds" if is_last else None,
                }
            )

        return write_chains(await together(improve, read_chains(state)), state)

    return BothWays(refine)
