"""The baselines of a critic: more votes, a greedy response, and refinements without a critique.

They need calls of their own, after the vote; `compare` reads everything else from the chains.
"""

import asyncio
from collections.abc import Awaitable
from typing import Any

from langchain_core.runnables import Runnable

from critique_graph.calls.caller import CallKey
from critique_graph.calls.players import Players
from critique_graph.core.async_node import BothWays
from critique_graph.core.context import LoopContext
from critique_graph.core.schema import Chain, Failure, Reply, Response, Usage
from critique_graph.core.state import PoolState
from critique_graph.core.state_records import add_usages, problem_id, read_chains
from critique_graph.nodes.paths import to_graded
from critique_graph.nodes.refine import ask_for_refinement
from critique_graph.nodes.solve import solve_messages


def create_baselines(players: Players[LoopContext], *, votes: int) -> Runnable[PoolState, dict[str, Any]]:
    """Create the node that makes the calls without a critic.

    A retry has the prompt of a refinement, with an empty critique, and the seed of the chain's first refinement: only
    the critique differs, as in the filter of `create_auto_critique`. A chain whose first response was truncated has no
    retry.

    Args:
        players: The models; only the actor is called.
        votes: Number of first responses, those of the chains included.
    """

    async def baselines(state: PoolState) -> dict[str, Any]:
        call_actor, problem, question = players.caller("actor"), problem_id(state), state["question"]
        failures: list[Failure] = []
        used: list[Usage] = []

        async def graded(asked: Awaitable[Reply | Failure]) -> Response | None:
            outcome = await asked
            if isinstance(outcome, Failure):
                failures.append(outcome)
                return None
            used.append(outcome.call.usage)
            return await to_graded(outcome, state, players.task)

        async def retry(chain: Chain) -> Response | None:
            if chain.response is None or chain.response.is_truncated:
                return None
            return await graded(
                ask_for_refinement(
                    call_actor,
                    question,
                    chain.response.text,
                    None,
                    CallKey(problem, "actor", f"retry-{chain.index}", 1),
                    prompts=players.prompts,
                    form=players.context().critique_form,
                    steps=chain.response.own_steps,
                    seed_key=CallKey(problem, "actor", chain.index, 1),
                )
            )

        async def respond(chain: int | str, **settings: Any) -> Response | None:
            messages = solve_messages(question, players.prompts)
            return await graded(call_actor(messages, CallKey(problem, "actor", chain, 0), **settings))

        chains = read_chains(state)
        more = range(len(chains), votes)
        greedy, *others = await asyncio.gather(
            respond("greedy", temperature=0.0), *map(retry, chains), *map(respond, more)
        )
        written = [response and response.model_dump(mode="json") for response in others]
        usage = Usage.sum(used).model_dump(mode="json")
        return {
            "greedy": greedy and greedy.model_dump(mode="json"),
            "retries": written[: len(chains)],
            "uncritiqued": [response for response in written[len(chains) :] if response is not None],
            "failures": [failure.model_dump(mode="json") for failure in failures],
            "usage": add_usages(state["usage"], {"actor": usage, "total": usage}),
        }

    return BothWays(baselines)
