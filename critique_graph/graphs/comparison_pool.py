"""One problem's pool for `compare`: all chains are critiqued and refined whatever the verdict, and baselines added.

    solve ─► critique ─► refine ─► (critique …) ─► vote ─► baselines

It is the loop of `actor_critic.py` with the gate `always`. The results of every other gate and vote can be read from
its chains.
"""

from langgraph.graph import END, StateGraph

from critique_graph.calls.caller import CallLog
from critique_graph.calls.players import Model
from critique_graph.core.context import Context
from critique_graph.core.prompts import DEFAULT_PROMPTS
from critique_graph.core.prompts_file import PromptsGiven
from critique_graph.core.state import ActorCriticInput, PoolOutput, PoolState
from critique_graph.grading.grader import Grader
from critique_graph.graphs.loop import add_loop
from critique_graph.graphs.players import new_players
from critique_graph.nodes.baselines import create_baselines
from critique_graph.nodes.refine import create_refine
from critique_graph.nodes.vote import create_vote
from critique_graph.tasks.shipped import TaskGiven
from critique_graph.tasks.task import MATH


def create_pool(
    actor: Model = "miniature:actor",
    critic: Model = "miniature:critic",
    *,
    votes: int = 0,
    grader: Grader | None = None,
    log: CallLog | None = None,
    prompts: PromptsGiven = DEFAULT_PROMPTS,
    task: TaskGiven = MATH,
    **settings: object,
) -> StateGraph[PoolState, Context, ActorCriticInput, PoolOutput]:
    """Create the graph that draws a pool, uncompiled. The problem needs a reference answer.

    Args:
        actor: Solves and refines.
        critic: Judges every step of a response.
        votes: Number of first responses in all; those beyond the chains' own are sampled but not critiqued.
        grader: Reads, compares and grades answers; by default that of the task.
        log: Journal of finished calls, for runs that resume.
        prompts: Wording of the prompts: a record, a mapping, a YAML file, or a name such as `math-en`.
        task: Task that the problem is of: a record, the name of one that ships, or `module:object`.
        settings: Fields of `Context`; its gate is always `always`.

    Raises:
        pydantic.ValidationError: a setting is unknown, or out of its range.
    """
    defaults = Context.model_validate({**settings, "gate": "always"})
    players = new_players({"actor": actor, "critic": critic}, defaults, grader, log, prompts, task)
    builder = StateGraph(PoolState, context_schema=Context, input_schema=ActorCriticInput, output_schema=PoolOutput)
    add_loop(builder, players, refine=("refine", create_refine(players)), then="vote", last_steps=2)
    builder.add_node("vote", create_vote(players))
    builder.add_node("baselines", create_baselines(players, votes=votes))
    builder.add_edge("vote", "baselines")
    builder.add_edge("baselines", END)
    return builder
