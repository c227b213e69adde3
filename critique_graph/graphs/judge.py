"""The critic alone: its judgement of a response that is given or that the actor writes.

given_response | solve ─► critique ─► vote
"""

from typing import Literal

from langchain_core.runnables import Runnable
from langgraph.graph import END, START, StateGraph

from critique_graph.calls.caller import CallLog
from critique_graph.calls.players import Model
from critique_graph.core.async_node import BothWays
from critique_graph.core.context import JudgeContext
from critique_graph.core.prompts import DEFAULT_PROMPTS
from critique_graph.core.prompts_file import PromptsGiven
from critique_graph.core.state import ActorCriticOutput, JudgeInput, JudgeState
from critique_graph.grading.grader import Grader
from critique_graph.graphs.first_node import add_first_node
from critique_graph.graphs.players import new_players
from critique_graph.nodes.critique import create_critique
from critique_graph.nodes.given_response import create_given_response
from critique_graph.nodes.solve import create_solve
from critique_graph.nodes.vote import create_vote
from critique_graph.tasks.shipped import TaskGiven
from critique_graph.tasks.task import MATH


def create_judge(
    actor: Model = "miniature:actor",
    critic: Model = "miniature:critic",
    *,
    grader: Grader | None = None,
    log: CallLog | None = None,
    prompts: PromptsGiven = DEFAULT_PROMPTS,
    task: TaskGiven = MATH,
    **settings: object,
) -> StateGraph[JudgeState, JudgeContext, JudgeInput, ActorCriticOutput]:
    """Create the graph in which a critic judges one response, uncompiled. Its output is that of `create_actor_critic`.

    Args:
        actor: Writes the response, where none is given.
        critic: Judges every step of the response.
        grader: Reads and grades answers; by default that of the task.
        log: Journal of finished calls, for runs that resume.
        prompts: Wording of the prompts: a record, a mapping, a YAML file, or a name such as `math-en`.
        task: Task that the problem is of: a record, the name of one that ships, or `module:object`.
        settings: Fields of `JudgeContext`.

    Raises:
        pydantic.ValidationError: a setting is unknown, or out of its range.
    """
    players = new_players(
        {"actor": actor, "critic": critic}, JudgeContext.model_validate(settings), grader, log, prompts, task
    )
    builder = StateGraph(
        JudgeState, context_schema=JudgeContext, input_schema=JudgeInput, output_schema=ActorCriticOutput
    )
    add_first_node(builder, "given_response", create_given_response())
    add_first_node(builder, "solve", create_solve(players))
    builder.add_node("critique", create_critique(players))
    builder.add_node("vote", create_vote(players))
    builder.add_conditional_edges(START, _first_node(), ["given_response", "solve"])
    builder.add_edge("given_response", "critique")
    builder.add_edge("solve", "critique")
    builder.add_edge("critique", "vote")
    builder.add_edge("vote", END)
    return builder


def _first_node() -> Runnable[JudgeState, Literal["given_response", "solve"]]:
    async def has_response(state: JudgeState) -> Literal["given_response", "solve"]:
        return "given_response" if state.get("steps") else "solve"

    return BothWays(has_response)
