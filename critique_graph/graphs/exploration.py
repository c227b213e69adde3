"""Exploration of one problem with a known answer: wrong responses are critiqued and refined until one is correct.

    solve ─► critique ─► refine_until_right ─► vote

The state and the traces are those of the actor-critic loop; without a critic the graph is `solve ─► vote`.
"""

from langgraph.graph import END, START, StateGraph

from critique_graph.calls.caller import CallLog
from critique_graph.calls.players import Model
from critique_graph.core.context import Context
from critique_graph.core.prompts import DEFAULT_PROMPTS
from critique_graph.core.prompts_file import PromptsGiven
from critique_graph.core.state import ActorCriticInput, ActorCriticOutput, ActorCriticState
from critique_graph.grading.grader import Grader
from critique_graph.graphs.first_node import add_first_node
from critique_graph.graphs.loop import while_open, within_limit
from critique_graph.graphs.players import new_players
from critique_graph.nodes.critique import create_critique
from critique_graph.nodes.refine_until_right import create_refine_until_right
from critique_graph.nodes.solve import create_solve
from critique_graph.nodes.vote import create_vote
from critique_graph.tasks.shipped import TaskGiven
from critique_graph.tasks.task import MATH


def create_exploration(
    actor: Model,
    critic: Model | None,
    *,
    samples: int,
    refinements: int,
    temperature: float,
    max_tokens: int,
    critic_max_tokens: int,
    seed: int,
    grader: Grader | None = None,
    log: CallLog | None = None,
    prompts: PromptsGiven = DEFAULT_PROMPTS,
    task: TaskGiven = MATH,
) -> StateGraph[ActorCriticState, Context, ActorCriticInput, ActorCriticOutput]:
    """Create the exploration graph, uncompiled; `ImprovementContext` describes the settings.

    Args:
        actor: Solves and refines.
        critic: Judges the responses that the reference calls wrong, at temperature 0; None: they are not refined.
        samples: Responses to the problem.
        refinements: Most refinements sampled with one critique.
        temperature: Sampling temperature of the actor.
        max_tokens: Most tokens of one response.
        critic_max_tokens: Most tokens of one critique.
        seed: Seed from which the seed of every call is derived.
        grader: Reads and grades answers; None: that of the task.
        log: Journal of finished calls.
        prompts: Wording of the prompts: a record, a mapping, a YAML file, or a name such as `math-en`.
        task: Task that the problem is of: a record, the name of one that ships, or `module:object`.
    """
    defaults = Context(
        samples=samples,
        rounds=0 if critic is None else 1,
        gate="oracle",
        temperature=temperature,
        max_tokens=max_tokens,
        critic_max_tokens=critic_max_tokens,
        seed=seed,
    )
    players = new_players(
        {"actor": actor, "critic": actor if critic is None else critic}, defaults, grader, log, prompts, task
    )
    builder = StateGraph(
        ActorCriticState, context_schema=Context, input_schema=ActorCriticInput, output_schema=ActorCriticOutput
    )
    add_first_node(builder, "solve", within_limit(create_solve(players), needed=3))
    builder.add_node("vote", create_vote(players))
    builder.add_edge(START, "solve")
    builder.add_edge("vote", END)
    if critic is None:
        builder.add_edge("solve", "vote")
        return builder
    builder.add_node("critique", create_critique(players))
    builder.add_node("refine_until_right", create_refine_until_right(players, refinements=refinements))
    builder.add_conditional_edges("solve", while_open("critique", then="vote"), ["critique", "vote"])
    builder.add_edge("critique", "refine_until_right")
    builder.add_edge("refine_until_right", "vote")
    return builder
