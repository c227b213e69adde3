"""The critic's practice on given responses to one problem with a known answer: what it learns from, and its exam.

    practise ─► vote

The state and the traces are those of the actor-critic loop, with a chain for every try.
"""

from langgraph.graph import END, START, StateGraph

from critique_graph.calls.caller import CallLog
from critique_graph.calls.players import Model
from critique_graph.core.context import Context
from critique_graph.core.prompts import DEFAULT_PROMPTS
from critique_graph.core.prompts_file import PromptsGiven
from critique_graph.core.state import ActorCriticOutput, PracticeInput, PracticeState
from critique_graph.grading.grader import Grader
from critique_graph.graphs.first_node import add_first_node
from critique_graph.graphs.players import new_players
from critique_graph.nodes.practise import create_practise
from critique_graph.nodes.vote import create_vote
from critique_graph.tasks.shipped import TaskGiven
from critique_graph.tasks.task import MATH


def create_practice(
    actor: Model | None,
    critic: Model,
    *,
    tries: int,
    temperature: float,
    max_tokens: int,
    critic_max_tokens: int,
    seed: int,
    grader: Grader | None = None,
    log: CallLog | None = None,
    prompts: PromptsGiven = DEFAULT_PROMPTS,
    task: TaskGiven = MATH,
) -> StateGraph[PracticeState, Context, PracticeInput, ActorCriticOutput]:
    """Create the practice graph, uncompiled.

    Args:
        actor: Refines wrong responses, once with each critique that calls them wrong; None: nothing is refined.
        critic: Judges the given responses.
        tries: Most critiques of a response; those after the first one that is worth learning are not asked for.
        temperature: Sampling temperature of critiques and refinements.
        max_tokens: Most tokens of one refinement.
        critic_max_tokens: Most tokens of one critique.
        seed: Seed from which the seed of every call is derived.
        grader: Reads and grades answers; None: that of the task.
        log: Journal of finished calls.
        prompts: Wording of the prompts: a record, a mapping, a YAML file, or a name such as `math-en`.
        task: Task that the problem is of: a record, the name of one that ships, or `module:object`.
    """
    defaults = Context(
        rounds=1,
        temperature=temperature,
        critic_temperature=temperature,
        max_tokens=max_tokens,
        critic_max_tokens=critic_max_tokens,
        seed=seed,
    )
    players = new_players(
        {"actor": critic if actor is None else actor, "critic": critic}, defaults, grader, log, prompts, task
    )
    builder = StateGraph(
        PracticeState, context_schema=Context, input_schema=PracticeInput, output_schema=ActorCriticOutput
    )
    add_first_node(builder, "practise", create_practise(players, tries=tries, is_refined=actor is not None))
    builder.add_node("vote", create_vote(players))
    builder.add_edge(START, "practise")
    builder.add_edge("practise", "vote")
    builder.add_edge("vote", END)
    return builder
