"""The talk of every chain with no error left: it is spliced, rewritten, and checked for what it must keep."""

import asyncio
from collections.abc import Iterable

from langchain_core.messages import BaseMessage
from langchain_core.runnables import Runnable

from critique_graph.calls.caller import CallKey
from critique_graph.calls.players import EXACT, Players
from critique_graph.core.alignment import holds_in_order
from critique_graph.core.async_node import BothWays, emit
from critique_graph.core.context import SelfTalkContext
from critique_graph.core.prompts import DEFAULT_PROMPTS, Prompts
from critique_graph.core.reasons import ChainStop
from critique_graph.core.schema import Call, Chain, Failure, Reply, Response, Usage
from critique_graph.core.splice import SelfTalk, TalkDropReason, spliced, steps_of, told
from critique_graph.core.state import ActorCriticState, SelfTalkOutput
from critique_graph.core.state_records import problem_id, read_chains, reference_of
from critique_graph.grading.grader import Grader
from critique_graph.grading.records import graded_chain, graded_response
from critique_graph.nodes.solve import to_response

_GIVEN_UP: dict[ChainStop | None, TalkDropReason] = {
    "judged_unparsed": "unreadable",
    "not_located": "not_located",
    "not_continued": "not_continued",
    "rounds": "given_up",
    "recursion_limit": "given_up",
    "truncated": "truncated",
    "failed": "failed",
}


def smooth_messages(question: str, talk: str, prompts: Prompts = DEFAULT_PROMPTS) -> list[BaseMessage]:
    """Build the smoother's prompt."""
    return prompts.smooth.messages(problem=question, response=talk)


def create_smooth(players: Players[SelfTalkContext]) -> Runnable[ActorCriticState, SelfTalkOutput]:
    """Create the node that turns chains into talks; the reference grades them and is in no prompt."""

    async def smooth(state: ActorCriticState) -> SelfTalkOutput:
        reference, grader = reference_of(state), players.grader
        with_reasoning = players.context().reasoning
        is_exact, calls = players.model("smoother") == EXACT, list[Call]()
        call_smoother = None if is_exact else players.caller("smoother")

        async def smoothed(talk: SelfTalk) -> SelfTalk:
            if talk.drop is not None:
                return talk
            text, key = told(talk.thoughts), CallKey(problem_id(state), "smoother", talk.chain.index, 0)
            reply = Reply(text=text, call=Call(model=EXACT))
            if call_smoother is not None:
                outcome = await call_smoother(smooth_messages(state["question"], text, players.prompts), key)
                if isinstance(outcome, Failure):
                    return talk.model_copy(update={"drop": "failed", "failure": outcome})
                calls.append(outcome.call)
                reply = outcome
            response = await graded_response(to_response(reply, players.task), reference, grader)
            reason = await _lost(talk, response, grader)
            emit("talk", chain=talk.chain.index, text=response.text, drop=reason)
            return talk.model_copy(update={"response": response, "drop": reason})

        chains = await asyncio.gather(*(graded_chain(chain, reference, grader) for chain in read_chains(state)))
        paths = _without_copies(_spliced(chain, with_reasoning) for chain in chains)
        talks = await asyncio.gather(*map(smoothed, paths))
        usage = {role: Usage.sum(chain.usage(role) for chain in chains) for role in ("actor", "critic")}
        usage["smoother"] = Usage.sum(call.usage for call in calls)
        return {
            "talks": [talk.model_dump(mode="json") for talk in talks],
            "usage": {role: used.model_dump() for role, used in usage.items()},
        }

    return BothWays(smooth)


def _spliced(chain: Chain, with_reasoning: bool) -> SelfTalk:
    """Splice a chain, or say why it is dropped."""
    if reason := _given_up(chain):
        return SelfTalk(chain=chain, drop=reason, failure=chain.failure)
    return SelfTalk(chain=chain, thoughts=spliced(chain, with_reasoning=with_reasoning))


def _given_up(chain: Chain) -> TalkDropReason | None:
    if chain.stop != "judged_correct":
        return _GIVEN_UP[chain.stop]
    last = chain.rounds[-1].critique
    if last.first_error is not None or not all(judged.critique.is_readable for judged in chain.rounds):
        return "unreadable"
    first, final = chain.responses[0], chain.responses[-1]
    if final.grade is not None and final.grade.outcome == "ungraded":
        return "ungraded"
    if final.answer is None or final.is_correct is False:
        return "answer_wrong"
    return "false_alarm" if first.is_correct and len(chain.rounds) > 1 else None


def _without_copies(talks: Iterable[SelfTalk]) -> list[SelfTalk]:
    """Drop talks that repeat an earlier talk."""
    seen: set[str] = set()
    kept: list[SelfTalk] = []
    for talk in talks:
        text = told(talk.thoughts)
        is_copy = talk.drop is None and text in seen
        kept.append(talk.model_copy(update={"drop": "duplicate"}) if is_copy else talk)
        seen.add(text)
    return kept


async def _lost(talk: SelfTalk, response: Response, grader: Grader) -> TalkDropReason | None:
    """Say what a talk has lost of its path, if anything."""
    final = talk.chain.responses[-1].answer
    if response.is_truncated:
        return "truncated"
    if response.answer is None or final is None or not await grader.equivalent(response.answer, final):
        return "answer_lost"
    if response.grade is not None and not response.grade.is_correct:
        return "answer_lost"
    return None if holds_in_order(response.text, steps_of(talk.thoughts)) else "step_lost"
