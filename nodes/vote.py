"""One answer from many chains: the ballot, its grade and the tokens used.

Ballots are grouped by mathematical equivalence. A chain without a readable answer is listed as unparsed: it cannot win,
but stays in the denominator of every vote share.
"""

import random

from langchain_core.runnables import Runnable

from critique_graph.calls.caller import derive_seed
from critique_graph.calls.players import Players
from critique_graph.core.async_node import BothWays, emit, together
from critique_graph.core.context import LoopContext
from critique_graph.core.schema import Ballot, BallotEntry, Chain, Response, Usage, VoteRule
from critique_graph.core.state import ActorCriticOutput, ActorCriticState
from critique_graph.core.state_records import problem_id, read_chains, reference_of, write_chains
from critique_graph.grading.grader import Grader
from critique_graph.grading.records import graded_chain
from critique_graph.nodes.changes import changes_of
from critique_graph.nodes.evaluations import announce_evaluations

VERDICT_WEIGHT = {"correct": 1.0, None: 0.5, "wrong": 0.1}
"""Weight of a chain in `critic_weighted`, by the critic's verdict on its latest response. Ours, not the paper's."""


def create_vote(players: Players[LoopContext]) -> Runnable[ActorCriticState, ActorCriticOutput]:
    """Create the node that chooses the answer, and grades every response when there is a reference."""

    async def vote(state: ActorCriticState) -> ActorCriticOutput:
        context, chains = players.context(), read_chains(state)
        rules = context.rules
        tie_seed = derive_seed(context.seed, problem_id(state), "vote")
        ballot = await count_votes(
            chains, rules.vote, grader=players.grader, tie_seed=tie_seed, count_bare=rules.vote_bare
        )
        reference, grade = reference_of(state), None
        if reference is not None:
            grade = await players.grader.grade(ballot.winner, reference)
            chains = await together(lambda chain: graded_chain(chain, reference, players.grader), chains)
        counted = ballot.model_dump(mode="json")
        emit("ballot", **counted)
        await announce_evaluations(problem_id(state), chains)
        actor = Usage.sum(chain.usage("actor") for chain in chains)
        critic = Usage.sum(chain.usage("critic") for chain in chains)
        return {
            "answer": ballot.winner,
            "correct": None if grade is None or grade.outcome == "ungraded" else grade.is_correct,
            "grade": None if grade is None else grade.model_dump(mode="json"),
            "chains": write_chains(chains, state)["chains"],
            "ballot": counted,
            "usage": {
                role: usage.model_dump(mode="json")
                for role, usage in (("actor", actor), ("critic", critic), ("total", actor + critic))
            },
            "changes": [changes.model_dump(mode="json") for changes in changes_of(chains, players.task.name)],
        }

    return BothWays(vote)


async def count_votes(
    chains: list[Chain], rule: VoteRule, *, grader: Grader, tie_seed: int, count_bare: bool = True
) -> Ballot:
    """Choose one answer by a vote.

    The group of equivalent answers with the largest weight wins; `tie_seed` decides between equal weights.
    `critic_filtered` falls back to all chains when the critic called none correct. `first` and `final` look at chain 0
    only. Without `count_bare`, a chain has the answer of its last response that is more than an answer alone.
    """
    if rule in ("first", "final"):
        chains = chains[:1]
    excluded: tuple[int, ...] = ()
    if rule == "critic_filtered" and any(chain.verdict == "correct" for chain in chains):
        excluded = tuple(chain.index for chain in chains if chain.verdict != "correct")
    entries: list[BallotEntry] = []
    unparsed = []
    for chain in chains:
        if chain.index in excluded:
            continue
        answer = _answer(chain.response if rule == "first" else chain.latest if count_bare else _last_shown(chain))
        if answer is None:
            unparsed.append(chain.index)
            continue
        weight = VERDICT_WEIGHT[chain.verdict] if rule == "critic_weighted" else 1.0
        for position, entry in enumerate(entries):
            if await grader.equivalent(entry.answer, answer):
                entries[position] = BallotEntry(
                    answer=entry.answer, weight=entry.weight + weight, chains=(*entry.chains, chain.index)
                )
                break
        else:
            entries.append(BallotEntry(answer=answer, weight=weight, chains=(chain.index,)))
    heaviest = max((entry.weight for entry in entries), default=0.0)
    leaders = [entry for entry in entries if entry.weight >= heaviest - 1e-9]
    leader = leaders[0] if len(leaders) == 1 else random.Random(tie_seed).choice(leaders) if leaders else None
    return Ballot(
        rule=rule,
        entries=tuple(sorted(entries, key=lambda entry: (-entry.weight, entry.chains))),
        unparsed=tuple(unparsed),
        excluded=excluded,
        winner=None if leader is None else leader.answer,
        is_tie=len(leaders) > 1,
    )


def _last_shown(chain: Chain) -> Response | None:
    refinements = [turn.refinement for turn in chain.rounds if turn.is_preferred is not False]
    responses = [response for response in (chain.response, *refinements) if response is not None]
    shown = [response for response in responses if not (response.is_truncated or response.is_bare)]
    return shown[-1] if shown else chain.latest


def _answer(response: Response | None) -> str | None:
    return None if response is None else response.complete_answer
