"""The actor's first responses to a question: one call per chain, all at the same time."""

from typing import Any

from langchain_core.messages import BaseMessage
from langchain_core.runnables import Runnable

from critique_graph.calls.caller import CallKey
from critique_graph.calls.players import Players
from critique_graph.core.async_node import BothWays, emit, together
from critique_graph.core.context import LoopContext
from critique_graph.core.prompts import DEFAULT_PROMPTS, Prompts
from critique_graph.core.schema import Chain, Failure, Reply, Response
from critique_graph.core.state import ActorCriticState
from critique_graph.core.state_records import problem_id, write_chains
from critique_graph.tasks.task import Task


def solve_messages(question: str, prompts: Prompts = DEFAULT_PROMPTS) -> list[BaseMessage]:
    """Build the actor's prompt for a question."""
    return prompts.solve.messages(problem=question)


def to_response(reply: Reply, task: Task) -> Response:
    """Turn a model's reply into a response; its final answer is read only here."""
    answer, steps = task.grader.extract(reply.text), task.own_steps(reply.text)
    return Response(text=reply.text, answer=answer, call=reply.call, own_steps=steps)


def create_solve(players: Players[LoopContext]) -> Runnable[ActorCriticState, dict[str, Any]]:
    """Create the node that samples the first response of every chain."""

    async def solve(state: ActorCriticState) -> dict[str, Any]:
        context = players.context()
        rules, call_actor = context.rules, players.caller("actor", context)
        messages, problem = solve_messages(state["question"], players.prompts), problem_id(state)

        async def start(index: int) -> Chain:
            outcome = await call_actor(messages, CallKey(problem, "actor", index, 0))
            if isinstance(outcome, Failure):
                emit("failure", chain=index, round=0, kind=outcome.kind, message=outcome.message)
                return Chain(index=index, stop="failed", failure=outcome)
            response = to_response(outcome, players.task)
            emit("response", chain=index, round=0, text=response.text, answer=response.answer)
            if response.is_truncated:
                return Chain(index=index, response=response, stop="truncated")
            return Chain(index=index, response=response, stop=None if rules.rounds else "rounds")

        return write_chains(await together(start, range(rules.samples)))

    return BothWays(solve)
