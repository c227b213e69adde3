"""The critic's judgement of each open chain's latest response, by one critique or several, and what follows from it.

A chain is open until its `stop` is set. The gate (`Context.gate`) decides which responses are refined; only the gate
`oracle` looks at the reference. No prompt holds the reference; only a task with `evidence` tells the critic how a
response was graded by it. With `keep_original`, a refinement counts once more critiques call it correct than the
response before it; a tie keeps that response.
"""

import logging
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from langchain_core.messages import BaseMessage
from langchain_core.runnables import Runnable

from critique_graph.calls.caller import Caller, CallKey
from critique_graph.calls.players import Players
from critique_graph.core.async_node import BothWays, emit, together
from critique_graph.core.context import CritiqueForm, LoopContext, LoopRules
from critique_graph.core.prompts import DEFAULT_PROMPTS, Prompts
from critique_graph.core.reasons import ChainStop
from critique_graph.core.schema import Chain, Response, Round, Usage
from critique_graph.core.state import ActorCriticState
from critique_graph.core.state_records import problem_id, read_chains, reference_of, write_chains
from critique_graph.core.verdicts import SEVERAL_TEMPERATURE, round_of
from critique_graph.nodes.ask_critique import Critiques, ask_for_critiques

logger = logging.getLogger(__name__)


def critique_messages(
    question: str,
    response: str,
    prompts: Prompts = DEFAULT_PROMPTS,
    *,
    form: CritiqueForm = "text",
    steps: Sequence[str] | None = None,
    evidence: str = "",
) -> list[BaseMessage]:
    """Build the critic's prompt; the problem comes first, so that all prompts about it share a prefix.

    Args:
        question: The problem.
        response: The response that is judged.
        prompts: Wording of the prompts.
        form: The form in which the critique is asked for.
        steps: Steps of the response; None: those of `split_steps`.
        evidence: What the critic is told of the response's grade, below the problem; empty: nothing.
    """
    wording = prompts.critique.in_json() if form != "text" else prompts.critique
    problem = f"{question}\n\n{evidence}" if evidence else question
    return wording.messages(problem=problem, response=response, steps=steps)


async def critiques_of(
    call_critic: Caller,
    response: Response,
    state: ActorCriticState,
    players: Players[LoopContext],
    key: CallKey,
    *,
    critiques: int = 1,
    retries: int = 0,
) -> tuple[Critiques, str]:
    """Have the critic judge a response to the question of a state; gives what it wrote, and the evidence it was told.

    Args:
        call_critic: The critic.
        response: The response.
        state: Question, reference and id of the problem.
        players: The settings, the prompts and the task.
        key: The calls' place in the graph.
        critiques: Number of critiques.
        retries: Number of times that each is asked for again if it cannot be read.
    """
    evidence = await evidence_for(response, state, players)

    def prompt(form: CritiqueForm) -> list[BaseMessage]:
        question, steps = state["question"], response.own_steps
        return critique_messages(question, response.text, players.prompts, form=form, steps=steps, evidence=evidence)

    asked = await ask_for_critiques(
        call_critic,
        prompt,
        response.text,
        key,
        critiques=critiques,
        form=players.context().critique_form,
        retries=retries,
        steps=response.own_steps,
    )
    return asked, evidence


def create_critique(players: Players[LoopContext]) -> Runnable[ActorCriticState, dict[str, Any]]:
    """Create the node that critiques the latest response of every open chain."""

    async def critique(state: ActorCriticState) -> dict[str, Any]:
        context, problem, chains = players.context(), problem_id(state), read_chains(state)
        rules, call_critic = context.rules, players.caller("critic", context)
        if context.is_critic_heated:
            _say_temperature()
        budget = rules.token_budget
        is_budget_spent = budget is not None and _tokens_used(chains) >= budget

        async def judge(chain: Chain) -> Chain:
            response, number = chain.candidate, len(chain.rounds) + 1
            if chain.stop is not None or response is None:
                return chain
            if is_budget_spent:
                return chain.model_copy(update={"stop": "budget"})
            if rules.gate == "oracle" and await _agrees_with_reference(response, state, players):
                return _preferred(chain).model_copy(update={"stop": "reference_correct"})
            asked, evidence = await critiques_of(
                call_critic,
                response,
                state,
                players,
                CallKey(problem, "critic", chain.index, number),
                critiques=rules.critiques,
                retries=context.retry_unreadable,
            )
            for failure in asked.failures:
                emit("failure", chain=chain.index, round=number, kind=failure.kind, message=failure.message)
            if not asked.judgements:
                return chain.model_copy(update={"stop": "failed", "failure": asked.failures[0]})
            turn = round_of(asked.judgements, rules.agree, failures=asked.failures, evidence=evidence)
            for given in asked.judgements:
                emit("critique", given.critique, chain=chain.index, round=number)
            if rules.critiques > 1:
                verdict, confidence = turn.critique.final, round(turn.confidence, 4)
                emit("verdict", chain=chain.index, round=number, verdict=verdict, confidence=confidence)
            return _judged(chain, turn, rules)

        return write_chains(await together(judge, chains), state)

    return BothWays(critique)


async def _agrees_with_reference(response: Response, state: ActorCriticState, players: Players[LoopContext]) -> bool:
    reference = reference_of(state)
    if reference is None:
        raise ValueError("gate='oracle' needs a reference answer in the input, got none.")
    return (await players.grader.grade(response.answer, reference)).is_correct


async def evidence_for(response: Response, state: ActorCriticState, players: Players[LoopContext]) -> str:
    """Give what the critic is told of the response's grade; empty if the task tells nothing, or has no reference."""
    tell, reference = players.task.evidence, reference_of(state)
    if tell is None or reference is None:
        return ""
    return tell(await players.grader.grade(response.complete_answer, reference))


def _judged(chain: Chain, turn: Round, rules: LoopRules) -> Chain:
    """Add the critiques of the chain's candidate to it, and say why it stops, if it does."""
    is_refinement = bool(chain.rounds) and chain.candidate is chain.rounds[-1].refinement
    if rules.keep_original and is_refinement:
        if turn.approvals <= chain.rounds[-1].approvals:
            return chain.model_copy(update={"rounds": (*chain.rounds, turn), "stop": "kept_original"})
        chain = _preferred(chain)
    rounds = (*chain.rounds, turn)
    return chain.model_copy(update={"rounds": rounds, "stop": _stop_after(turn, len(rounds), rules)})


def _preferred(chain: Chain) -> Chain:
    """Let the last refinement count, if that was open."""
    if not chain.rounds or chain.rounds[-1].is_preferred is not False:
        return chain
    *before, last = chain.rounds
    return chain.model_copy(update={"rounds": (*before, last.model_copy(update={"is_preferred": True}))})


def _stop_after(turn: Round, number: int, rules: LoopRules) -> ChainStop | None:
    """Give the reason why no refinement follows round `number` (1-based); None when one follows."""
    verdict = turn.critique.final
    if rules.gate == "when_wrong" and verdict == "correct":
        return "judged_correct"
    if number > rules.rounds:  # the closing critique, where verdicts on all responses are needed
        return "rounds"
    if rules.gate == "when_wrong" and verdict is None:
        return "judged_unparsed"
    if rules.abstain_below is not None and turn.confidence < rules.abstain_below:
        return "abstained"
    return None


def _tokens_used(chains: list[Chain]) -> int:
    return Usage.sum(chain.usage(role) for chain in chains for role in ("actor", "critic")).total_tokens


@lru_cache(maxsize=1)
def _say_temperature() -> None:
    logger.warning(
        "Several critiques at a critic_temperature of 0 would be copies of one: they are asked for at %g.",
        SEVERAL_TEMPERATURE,
    )
